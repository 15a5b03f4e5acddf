// Whole numbers in C99: what is left to the compiler there, or not defined, is written out. Compilers make one instruction of each.

//: headers
#include <stddef.h>
#include <stdint.h>

//: signed_32
/* The number from -2^31 to 2^31 - 1 that is `value` modulo 2^32. */
static int32_t plexus_signed_32(uint32_t value)
{
    return value <= INT32_MAX ? (int32_t)value : -(int32_t)~value - 1;
}

//: signed_64
/* The number from -2^63 to 2^63 - 1 that is `value` modulo 2^64. */
static int64_t plexus_signed_64(uint64_t value)
{
    return value <= INT64_MAX ? (int64_t)value : -(int64_t)~value - 1;
}

//: shift_right_32
/* value / 2^shift, rounded down; the shift is below 32. */
static int32_t plexus_shift_right_32(int32_t value, unsigned shift)
{
    return value >= 0 ? value >> shift : ~(~value >> shift);
}

//: shift_right_64
/* value / 2^shift, rounded down; the shift is below 64. */
static int64_t plexus_shift_right_64(int64_t value, unsigned shift)
{
    return value >= 0 ? value >> shift : ~(~value >> shift);
}

//: saturate_s8
/* The nearest number of 8 bits. */
static int8_t plexus_saturate_s8(int32_t value)
{
    return (int8_t)(value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value);
}

//: saturate_s16
/* The nearest number of 16 bits. */
static int16_t plexus_saturate_s16(int32_t value)
{
    return (int16_t)(value < INT16_MIN ? INT16_MIN : value > INT16_MAX ? INT16_MAX : value);
}

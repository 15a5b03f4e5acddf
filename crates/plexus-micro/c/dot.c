// Sums of products, modulo 2^32 or 2^64.

//: dot_s8
/* The sum of (input[i] - zero_point) * weight[i]. */
static uint32_t plexus_dot_s8(const int8_t *input, const int8_t *weight, size_t count, uint32_t zero_point)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((uint32_t)input[i] - zero_point) * (uint32_t)weight[i];
    }
    return sum;
}

//: nibble
/* A 4-bit number among others, two in a byte, the lower half first. */
static int8_t plexus_nibble(const uint8_t *bytes, size_t at)
{
    const int half = at % 2 == 0 ? bytes[at / 2] & 15 : bytes[at / 2] >> 4;
    return (int8_t)((half ^ 8) - 8);
}

//: dot_s4
/* The sum of (input[i] - zero_point) * weight[first + i], of 4-bit weights. */
static uint32_t plexus_dot_s4(const int8_t *input, const uint8_t *weight, size_t first, size_t count,
                              uint32_t zero_point)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((uint32_t)input[i] - zero_point) * (uint32_t)plexus_nibble(weight, first + i);
    }
    return sum;
}

//: dot_q7
/* The sum of input[i] * weight[i]. */
static uint32_t plexus_dot_q7(const int8_t *input, const int8_t *weight, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint32_t)input[i] * (uint32_t)weight[i];
    }
    return sum;
}

//: dot_q7_wide
/* The sum of input[i] * weight[i]. */
static uint64_t plexus_dot_q7_wide(const int8_t *input, const int8_t *weight, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint64_t)(int64_t)((int32_t)input[i] * weight[i]);
    }
    return sum;
}

//: dot_q15
/* The sum of input[i] * weight[i]. */
static uint32_t plexus_dot_q15(const int16_t *input, const int16_t *weight, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint32_t)input[i] * (uint32_t)weight[i];
    }
    return sum;
}

//: dot_q15_wide
/* The sum of input[i] * weight[i]. */
static uint64_t plexus_dot_q15_wide(const int16_t *input, const int16_t *weight, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint64_t)(int64_t)((int32_t)input[i] * weight[i]);
    }
    return sum;
}

//: dot_q7_q15
/* The sum of input[i] * weight[i]. */
static uint32_t plexus_dot_q7_q15(const int16_t *input, const int8_t *weight, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint32_t)input[i] * (uint32_t)weight[i];
    }
    return sum;
}

//: dot_q7_q15_wide
/* The sum of input[i] * weight[i]. */
static uint64_t plexus_dot_q7_q15_wide(const int16_t *input, const int8_t *weight, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint64_t)(int64_t)((int32_t)input[i] * weight[i]);
    }
    return sum;
}

// Softmax.

//: leading_zeros
/* Zeros above the highest one of 32 bits. */
static unsigned plexus_leading_zeros(uint32_t value)
{
    unsigned zeros = 32;
    for (; value != 0; value >>= 1) {
        zeros--;
    }
    return zeros;
}

//: high_product
/* a * b / 2^31, halves away from zero; the one product that does not fit is the largest number. */
static int32_t plexus_high_product(int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * b, half = (int64_t)1 << 30;
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)((product >= 0 ? product + half : product + 1 - half) / ((int64_t)1 << 31));
}

//: divide
/* value / 2^bits, halves away from zero. */
static int32_t plexus_divide(int32_t value, unsigned bits)
{
    if (bits > 31) {
        return 0;
    }
    const uint32_t mask = ((uint32_t)1 << bits) - 1u;
    const int up = ((uint32_t)value & mask) > (mask >> 1) + (value < 0 ? 1u : 0u);
    return plexus_shift_right_32(value, bits) + up;
}

//: times
/* value * 2^bits, saturating; at most 2 bits. */
static int32_t plexus_times(int32_t value, unsigned bits)
{
    const int64_t product = (int64_t)value * ((int64_t)1 << bits);
    return (int32_t)(product < INT32_MIN ? INT32_MIN : product > INT32_MAX ? INT32_MAX : product);
}

//: exp_of_negative
/*
 * e^value, where value has 26 bits behind the point and is at most 0; the result has 31. With value = within - quarters and within from
 * -1/4 to 0, x = within + 1/8: e^(-1/8) * (1 + x + x^2/2 + x^3/6 + x^4/24), times powers of e for the bits of quarters.
 */
static int32_t plexus_exp_of_negative(int32_t value)
{
    /* e to -1/4, -1/2, -1, -2, -4, -8, -16, with 31 bits; then e^(-1/8) and 1/3. */
    static const int32_t powers[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t eighth = 1895147668, third = 715827883, quarter = (int32_t)1 << 24;
    if (value == 0) {
        return INT32_MAX;
    }
    const int32_t within = (int32_t)((uint32_t)value & 0xFFFFFFu) - quarter;
    const uint32_t quarters = (uint32_t)within - (uint32_t)value;
    const int32_t x = within * 32 + ((int32_t)1 << 28);
    const int32_t x2 = plexus_high_product(x, x);
    const int32_t fourth = plexus_divide(plexus_high_product(x2, x2), 2);
    const int32_t inner = plexus_divide(plexus_high_product(fourth + plexus_high_product(x2, x), third) + x2, 1);
    int32_t result = eighth + plexus_high_product(eighth, x + inner);
    for (unsigned bit = 0; bit < 7; bit++) {
        if ((quarters >> (24 + bit) & 1u) != 0) {
            result = plexus_high_product(result, powers[bit]);
        }
    }
    return result;
}

//: one_over_one_plus
/* 1 / (1 + value) of a number from 0 to 1 with 31 bits, with 31 bits: 48/17 - 32/17 * half, then three steps of Newton. */
static int32_t plexus_one_over_one_plus(int32_t value)
{
    const int64_t sum = (int64_t)value + INT32_MAX;
    const int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = 1515870810 + plexus_high_product(half, -1010580540);
    for (int step = 0; step < 3; step++) {
        x += plexus_times(plexus_high_product(x, ((int32_t)1 << 29) - plexus_high_product(half, x)), 2);
    }
    return plexus_times(x, 1);
}

//: softmax_scale
/* multiplier * 2^(shift - 31) = scale * 2^26; differences from the largest below `least` give no share. */
typedef struct {
    int32_t multiplier;
    unsigned shift;
    int32_t least;
} plexus_softmax_scale;

//: softmax_part
/* e^(scale * difference) with 31 bits, of a difference that is at most 0 */
static int32_t plexus_softmax_part(int32_t difference, const plexus_softmax_scale *scale)
{
    const int32_t shifted = plexus_signed_32((uint32_t)difference << scale->shift);
    return plexus_exp_of_negative(plexus_high_product(shifted, scale->multiplier));
}

//: softmax_row_s8
/* One row of softmax_s8. */
static void plexus_softmax_row_s8(const int8_t *input, const plexus_softmax_scale *scale, int8_t *output, size_t cols)
{
    int8_t largest = INT8_MIN;
    uint32_t sum = 0;
    for (size_t i = 0; i < cols; i++) {
        largest = input[i] > largest ? input[i] : largest;
    }
    for (size_t i = 0; i < cols; i++) {
        const int32_t difference = input[i] - largest;
        if (difference >= scale->least) {
            sum += (uint32_t)plexus_divide(plexus_softmax_part(difference, scale), 12);
        }
    }
    const unsigned free = plexus_leading_zeros(sum);
    const int32_t share_of_one = plexus_one_over_one_plus(plexus_signed_32((sum << free) - 0x80000000u));
    for (size_t i = 0; i < cols; i++) {
        const int32_t difference = input[i] - largest;
        int32_t share = -128;
        if (difference >= scale->least) {
            const int32_t part = plexus_softmax_part(difference, scale);
            share += plexus_divide(plexus_high_product(share_of_one, part), 35 - free);
        }
        output[i] = plexus_saturate_s8(share);
    }
}

//: softmax_s8
/* output[j] = 256 * e^(scale * (input[j] - max)) / sum over k of e^(scale * (input[k] - max)) - 128, for each row of at most 4095 numbers */
static void plexus_softmax_s8(const int8_t *input, const plexus_softmax_scale *scale, int8_t *output, size_t rows,
                              size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        plexus_softmax_row_s8(&input[row * cols], scale, &output[row * cols], cols);
    }
}

//: softmax_tables
/* e^x for x from -10 to 0 and 1 / (1 + x) for x from 0 to 1, both times 32768. */
typedef struct {
    const int16_t *exp;               /* 513 entries */
    const int16_t *one_over_one_plus; /* 513 entries */
} plexus_softmax_tables;

//: softmax_row_s16
/* One row of softmax_s16. */
static void plexus_softmax_row_s16(const int16_t *input, plexus_multiplier scale, const plexus_softmax_tables *tables,
                                   int16_t *output, size_t cols)
{
    int16_t largest = INT16_MIN;
    int32_t sum = 0;
    for (size_t i = 0; i < cols; i++) {
        largest = input[i] > largest ? input[i] : largest;
    }
    for (size_t i = 0; i < cols; i++) {
        const int32_t difference = plexus_double_rounding((int32_t)input[i] - largest, scale);
        const int32_t clamped = difference < -65535 ? -65535 : difference > 0 ? 0 : difference;
        output[i] = plexus_between((int16_t)(clamped + 32767), tables->exp);
        sum += output[i];
    }
    const uint32_t whole = sum > 0 ? (uint32_t)sum : 1u;
    const unsigned free = plexus_leading_zeros(whole);
    const int32_t rounded = (int32_t)(((whole << (free - 1)) + ((uint32_t)1 << 13)) >> 14);
    const int32_t fraction = rounded < 131071 ? rounded - 98304 : 32767;
    const int32_t share = plexus_between((int16_t)fraction, tables->one_over_one_plus);
    for (size_t i = 0; i < cols; i++) {
        const int64_t product = plexus_shift_right_64((int64_t)output[i] * share * 2, 31 - free);
        const int64_t value = plexus_shift_right_64(product + 1, 1);
        output[i] = (int16_t)(value < 0 ? 0 : value > INT16_MAX ? INT16_MAX : value);
    }
}

//: softmax_s16
/*
 * part[j] = exp(clamp(round((input[j] - max) * scale), -65535, 0) + 32767)                for each row, of at most 65536 numbers
 * s = max(sum over k of part[k], 1), free = leading zeros of s
 * share = one_over_one_plus(min(((s << (free - 1)) + 2^13) >> 14, 131071) - 98304)
 * output[j] = clamp(part[j] * share / 2^(31 - free), 0, 32767)                            halves up
 */
static void plexus_softmax_s16(const int16_t *input, plexus_multiplier scale, const plexus_softmax_tables *tables,
                               int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        plexus_softmax_row_s16(&input[row * cols], scale, tables, &output[row * cols], cols);
    }
}

//: softmax_q7
/*
 * base = max - 8, sum = sum over k of 2^clamp(input[k] - base, 0, 7)
 * output[j] = saturate((2^20 / sum) >> clamp(13 + base - input[j], 0, 31))
 */
static void plexus_softmax_q7(const int8_t *input, int8_t *output, size_t count)
{
    int32_t base = INT8_MIN, sum = 0;
    for (size_t i = 0; i < count; i++) {
        base = input[i] > base ? input[i] : base;
    }
    base -= 8;
    for (size_t i = 0; i < count; i++) {
        const int32_t above = input[i] - base;
        sum += (int32_t)1 << (above < 0 ? 0 : above > 7 ? 7 : above);
    }
    const int32_t whole = sum > 0 ? ((int32_t)1 << 20) / sum : 0;
    for (size_t i = 0; i < count; i++) {
        const int32_t below = 13 + base - input[i];
        output[i] = plexus_saturate_s8(whole >> (below > 31 ? 31 : below));
    }
}

//: softmax_q15
/*
 * base = max - 16, sum = sum of 2^(input[k] - base) over input[k] > base
 * output[j] = input[j] > base ? saturate((2^32 / sum) >> clamp(17 + base - input[j], 0, 31)) : 0
 */
static void plexus_softmax_q15(const int16_t *input, int16_t *output, size_t count)
{
    int32_t base = INT16_MIN;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        base = input[i] > base ? input[i] : base;
    }
    base -= 16;
    for (size_t i = 0; i < count; i++) {
        sum += input[i] > base ? (uint64_t)1 << (input[i] - base) : 0u;
    }
    const int32_t whole = sum > 0 ? (int32_t)(((uint64_t)1 << 32) / sum) : 0;
    for (size_t i = 0; i < count; i++) {
        output[i] = input[i] > base ? plexus_saturate_s16(whole >> (17 + base - input[i])) : 0;
    }
}

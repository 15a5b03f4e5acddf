// From sums to outputs. Sums are unsigned, because those wrap; they stand for signed numbers.

//: multiplier
/* A real scale: multiplier * 2^(shift - 31), with a multiplier of at least 0 and a shift from -31 to 30. */
typedef struct {
    int32_t multiplier;
    int32_t shift;
} plexus_multiplier;

//: rounding
/* How a sum is multiplied and rounded. */
typedef enum { PLEXUS_DOUBLE, PLEXUS_SINGLE } plexus_rounding;

//: double_rounding
/*
 * left = max(shift, 0), right = max(-shift, 0)
 * h = (wrap(sum << left) * multiplier + 2^30) >> 31
 * result = h / 2^right, ties away from zero
 */
static int32_t plexus_double_rounding(int32_t sum, plexus_multiplier scale)
{
    const unsigned left = scale.shift > 0 ? (unsigned)scale.shift : 0u;
    const unsigned right = scale.shift > 0 ? 0u : (unsigned)-scale.shift;
    const int64_t product = (int64_t)plexus_signed_32((uint32_t)sum << left) * scale.multiplier;
    const int32_t high = (int32_t)plexus_shift_right_64(product + ((int64_t)1 << 30), 31);
    const uint32_t mask = ((uint32_t)1 << right) - 1u;
    const int up = ((uint32_t)high & mask) > (mask >> 1) + (high < 0 ? 1u : 0u);
    return plexus_shift_right_32(high, right) + up;
}

//: single_rounding
/* (sum * multiplier + 2^(30 - shift)) >> (31 - shift) */
static int64_t plexus_single_rounding(int32_t sum, plexus_multiplier scale)
{
    const int64_t product = (int64_t)sum * scale.multiplier + ((int64_t)1 << (30 - scale.shift));
    return plexus_shift_right_64(product, (unsigned)(31 - scale.shift));
}

//: scaled
/* The product of a sum and a scale, rounded. */
static int64_t plexus_scaled(int32_t sum, plexus_multiplier scale, plexus_rounding rounding)
{
    return rounding == PLEXUS_DOUBLE ? plexus_double_rounding(sum, scale) : plexus_single_rounding(sum, scale);
}

//: reduced
/*
 * reduced = multiplier < 0x7FFF0000 ? (multiplier + 2^15) >> 16 : 0x7FFF
 * result = (i32((sum * reduced) >> (14 - shift)) + 1) >> 1                   products and sums wrap; the shift is at most 7
 */
static int32_t plexus_reduced(int64_t sum, plexus_multiplier scale)
{
    const int32_t upper = scale.multiplier < 0x7FFF0000 ? (scale.multiplier + ((int32_t)1 << 15)) >> 16 : 0x7FFF;
    const int64_t product = plexus_signed_64((uint64_t)sum * (uint64_t)upper);
    const int64_t shifted = plexus_shift_right_64(product, (unsigned)(14 - scale.shift));
    return plexus_shift_right_32(plexus_signed_32((uint32_t)(uint64_t)shifted + 1u), 1);
}

//: affine
/* What the sums of an affine layer of 8-bit activations begin with and how they become outputs. */
typedef struct {
    const int32_t *bias;             /* one for each row, or NULL for zeros */
    const plexus_multiplier *scales; /* one for all rows, or one for each */
    int scale_for_each_row;          /* which of both */
    plexus_rounding rounding;
    int32_t input_zero_point;
    int32_t weight_zero_point;
    int32_t output_zero_point;
    int32_t low;
    int32_t high;
} plexus_affine;

//: affine_start
/* What the sum of a row begins with. */
static uint32_t plexus_affine_start(const plexus_affine *affine, size_t row)
{
    return affine->bias == NULL ? 0u : (uint32_t)affine->bias[row];
}

//: affine_output
/* clamp(round(sum * scale) + output_zero_point, low, high) */
static int8_t plexus_affine_output(const plexus_affine *affine, uint32_t sum, size_t row)
{
    const plexus_multiplier scale = affine->scales[affine->scale_for_each_row ? row : 0];
    const int64_t value = plexus_scaled(plexus_signed_32(sum), scale, affine->rounding) + affine->output_zero_point;
    const int32_t low = affine->low < INT8_MIN ? INT8_MIN : affine->low;
    const int32_t high = affine->high > INT8_MAX ? INT8_MAX : affine->high;
    return (int8_t)(value < low ? low : value > high ? high : value);
}

//: affine_wide
/* The same for 16-bit activations and 64-bit sums, whose zero points are zero. */
typedef struct {
    const int64_t *bias;             /* one for each row, or NULL for zeros */
    const plexus_multiplier *scales; /* one for all rows, or one for each; shifts are at most 7 */
    int scale_for_each_row;          /* which of both */
    int32_t low;
    int32_t high;
} plexus_affine_wide;

//: affine_wide_start
/* What the sum of a row begins with. */
static uint64_t plexus_affine_wide_start(const plexus_affine_wide *affine, size_t row)
{
    return affine->bias == NULL ? 0u : (uint64_t)affine->bias[row];
}

//: affine_wide_output
/* clamp(reduced(sum, scale), low, high) */
static int16_t plexus_affine_wide_output(const plexus_affine_wide *affine, uint64_t sum, size_t row)
{
    const plexus_multiplier scale = affine->scales[affine->scale_for_each_row ? row : 0];
    const int32_t value = plexus_reduced(plexus_signed_64(sum), scale);
    const int32_t low = affine->low < INT16_MIN ? INT16_MIN : affine->low;
    const int32_t high = affine->high > INT16_MAX ? INT16_MAX : affine->high;
    return (int16_t)(value < low ? low : value > high ? high : value);
}

//: shifts
/* How far biases go to the left (at most 31) and sums to the right (at most 30). */
typedef struct {
    unsigned bias;
    unsigned out;
    int floor; /* drop bits instead of rounding halves up */
} plexus_shifts;

//: power_of_two
/* wrap(sum + half) >> out_shift, where half is 2^out_shift / 2, or 0 for floor */
static int32_t plexus_power_of_two(uint32_t sum, plexus_shifts shifts)
{
    const uint32_t half = shifts.floor ? 0u : ((uint32_t)1 << shifts.out) >> 1;
    return plexus_shift_right_32(plexus_signed_32(sum + half), shifts.out);
}

//: power_of_two_wide
/* The same of a 64-bit sum; what does not fit is the nearest that does. */
static int32_t plexus_power_of_two_wide(uint64_t sum, plexus_shifts shifts)
{
    const uint64_t half = shifts.floor ? 0u : ((uint64_t)1 << shifts.out) >> 1;
    const int64_t value = plexus_shift_right_64(plexus_signed_64(sum + half), shifts.out);
    return (int32_t)(value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
}

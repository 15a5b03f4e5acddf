// Layers that treat each number by itself, and layers that only move numbers.

//: clamp_s8
/* Limits numbers to a range, in place. */
static void plexus_clamp_s8(int8_t *values, int8_t low, int8_t high, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = values[i] < low ? low : values[i] > high ? high : values[i];
    }
}

//: clamp_s16
/* Limits numbers to a range, in place. */
static void plexus_clamp_s16(int16_t *values, int16_t low, int16_t high, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = values[i] < low ? low : values[i] > high ? high : values[i];
    }
}

//: lookup
/* Replaces each number by the entry of a table, in place; entry 0 is that of -128. */
static void plexus_lookup(int8_t *values, const int8_t table[256], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = table[values[i] + 128];
    }
}

//: between
/*
 * i = (value >> 7) + 256, along = value & 127
 * result = table[i] + (((table[i + 1] - table[i]) * along + 64) >> 7)
 */
static int16_t plexus_between(int16_t value, const int16_t table[513])
{
    const uint32_t moved = (uint32_t)((int32_t)value + 32768);
    const int32_t base = table[moved / 128], next = table[moved / 128 + 1];
    return (int16_t)(base + plexus_shift_right_32((next - base) * (int32_t)(moved % 128) + 64, 7));
}

//: lookup_s16
/* Replaces each number by what lies on the line between two entries of a table, in place; entry i is that of 128 * i - 32768. */
static void plexus_lookup_s16(int16_t *values, const int16_t table[513], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = plexus_between(values[i], table);
    }
}

//: rescale
/* How a number with one scale becomes one with another. */
typedef struct {
    int32_t input_zero_point;
    plexus_multiplier scale; /* scale before / scale behind */
    plexus_rounding rounding;
    int32_t output_zero_point;
} plexus_rescale;

//: rescaled
/* round((value - input_zero_point) * scale) + output_zero_point; what does not fit is the nearest that does. */
static int32_t plexus_rescaled(int32_t value, const plexus_rescale *rescale)
{
    const int32_t moved = plexus_signed_32((uint32_t)value - (uint32_t)rescale->input_zero_point);
    const int64_t scaled = plexus_scaled(moved, rescale->scale, rescale->rounding) + rescale->output_zero_point;
    return (int32_t)(scaled < INT32_MIN ? INT32_MIN : scaled > INT32_MAX ? INT32_MAX : scaled);
}

//: rescale_s8
/* saturate(round((input - input_zero_point) * scale) + output_zero_point) */
static void plexus_rescale_s8(const int8_t *input, const plexus_rescale *rescale, int8_t *output, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = plexus_saturate_s8(plexus_rescaled(input[i], rescale));
    }
}

//: rescale_s16
/* saturate(round((input - input_zero_point) * scale) + output_zero_point) */
static void plexus_rescale_s16(const int16_t *input, const plexus_rescale *rescale, int16_t *output, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = plexus_saturate_s16(plexus_rescaled(input[i], rescale));
    }
}

//: rescale_s8_to_s16
/* saturate(round((input - input_zero_point) * scale) + output_zero_point) */
static void plexus_rescale_s8_to_s16(const int8_t *input, const plexus_rescale *rescale, int16_t *output, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = plexus_saturate_s16(plexus_rescaled(input[i], rescale));
    }
}

//: rescale_s16_to_s8
/* saturate(round((input - input_zero_point) * scale) + output_zero_point) */
static void plexus_rescale_s16_to_s8(const int16_t *input, const plexus_rescale *rescale, int8_t *output, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = plexus_saturate_s8(plexus_rescaled(input[i], rescale));
    }
}

//: addition
/* What an addition does to its two inputs and to their sum; `left` is 20 for 8 bits and 15 for 16 bits. */
typedef struct {
    int32_t zero_points[2];
    plexus_multiplier scales[2];    /* scale of either input / (twice the larger of both) */
    plexus_multiplier output_scale; /* (twice the larger scale of the inputs) / (scale of the output * 2^left) */
    plexus_rounding rounding;
    int32_t output_zero_point;
    int32_t low;
    int32_t high;
} plexus_addition;

//: addition_part
/* round(((value - zero_point) << left) * scale) of one of the two inputs */
static uint32_t plexus_addition_part(const plexus_addition *addition, int which, int32_t value, unsigned left)
{
    const uint32_t moved = (uint32_t)value - (uint32_t)addition->zero_points[which];
    return (uint32_t)plexus_scaled(plexus_signed_32(moved << left), addition->scales[which], addition->rounding);
}

//: addition_output
/* clamp(round(sum * output_scale) + output_zero_point, low, high) */
static int32_t plexus_addition_output(const plexus_addition *addition, uint32_t sum)
{
    const int64_t scaled = plexus_scaled(plexus_signed_32(sum), addition->output_scale, addition->rounding);
    const int64_t value = scaled + addition->output_zero_point;
    return (int32_t)(value < addition->low ? addition->low : value > addition->high ? addition->high : value);
}

//: add_s8
/*
 * a = round(((input_a - zero_point_a) << 20) * scale_a), b alike
 * output = clamp(round((a + b) * output_scale) + output_zero_point, low, high)
 */
static void plexus_add_s8(const int8_t *a, const int8_t *b, const plexus_addition *addition, int8_t *output,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t sum = plexus_addition_part(addition, 0, a[i], 20) + plexus_addition_part(addition, 1, b[i], 20);
        output[i] = (int8_t)plexus_addition_output(addition, sum);
    }
}

//: add_s16
/*
 * a = round(((input_a - zero_point_a) << 15) * scale_a), b alike
 * output = clamp(round((a + b) * output_scale) + output_zero_point, low, high)
 */
static void plexus_add_s16(const int16_t *a, const int16_t *b, const plexus_addition *addition, int16_t *output,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t sum = plexus_addition_part(addition, 0, a[i], 15) + plexus_addition_part(addition, 1, b[i], 15);
        output[i] = (int16_t)plexus_addition_output(addition, sum);
    }
}

//: pad_s8
/* A map of [height][width][channels] with a border of one number: rows above, columns to the left, rows below, columns to the right. */
static void plexus_pad_s8(const int8_t *input, const size_t shape[3], const size_t border[4], int8_t value,
                          int8_t *output)
{
    const size_t row = shape[1] * shape[2], left = border[1] * shape[2], wide = left + row + border[3] * shape[2];
    const size_t count = (border[0] + shape[0] + border[2]) * wide;
    for (size_t i = 0; i < count; i++) {
        output[i] = value;
    }
    for (size_t y = 0; y < shape[0]; y++) {
        for (size_t i = 0; i < row; i++) {
            output[(border[0] + y) * wide + left + i] = input[y * row + i];
        }
    }
}

//: pad_s16
/* A map of [height][width][channels] with a border of one number: rows above, columns to the left, rows below, columns to the right. */
static void plexus_pad_s16(const int16_t *input, const size_t shape[3], const size_t border[4], int16_t value,
                           int16_t *output)
{
    const size_t row = shape[1] * shape[2], left = border[1] * shape[2], wide = left + row + border[3] * shape[2];
    const size_t count = (border[0] + shape[0] + border[2]) * wide;
    for (size_t i = 0; i < count; i++) {
        output[i] = value;
    }
    for (size_t y = 0; y < shape[0]; y++) {
        for (size_t i = 0; i < row; i++) {
            output[(border[0] + y) * wide + left + i] = input[y * row + i];
        }
    }
}

//: concat_s8
/* Maps of as many pixels one behind the other along their channels. */
static void plexus_concat_s8(const int8_t *const *inputs, const size_t *channels, size_t count, size_t pixels,
                             int8_t *output)
{
    size_t at = 0;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        for (size_t input = 0; input < count; input++) {
            for (size_t i = 0; i < channels[input]; i++) {
                output[at++] = inputs[input][pixel * channels[input] + i];
            }
        }
    }
}

//: concat_s16
/* Maps of as many pixels one behind the other along their channels. */
static void plexus_concat_s16(const int16_t *const *inputs, const size_t *channels, size_t count, size_t pixels,
                              int16_t *output)
{
    size_t at = 0;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        for (size_t input = 0; input < count; input++) {
            for (size_t i = 0; i < channels[input]; i++) {
                output[at++] = inputs[input][pixel * channels[input] + i];
            }
        }
    }
}

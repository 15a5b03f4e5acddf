// Fully connected layers: `input` of `cols` numbers, `weight` of `rows` rows of them, `output` of `rows` numbers.

//: weight_correction
/* weight_zero_point * sum over i of (input[i] - input_zero_point): what every row has too much when its weights count as they are. */
static uint32_t plexus_weight_correction(const int8_t *input, const plexus_affine *affine, size_t cols)
{
    uint32_t sum = 0;
    if (affine->weight_zero_point == 0) {
        return 0;
    }
    for (size_t i = 0; i < cols; i++) {
        sum += (uint32_t)input[i] - (uint32_t)affine->input_zero_point;
    }
    return sum * (uint32_t)affine->weight_zero_point;
}

//: fully_connected_s8
/*
 * sum[o] = bias[o] + sum over i of (input[i] - input_zero_point) * (weight[o][i] - weight_zero_point)      wrapping at 32 bits
 * output[o] = clamp(round(sum[o] * scale[o]) + output_zero_point, low, high)
 */
static void plexus_fully_connected_s8(const int8_t *input, const int8_t *weight, const plexus_affine *affine,
                                      int8_t *output, size_t rows, size_t cols)
{
    const uint32_t zero_point = (uint32_t)affine->input_zero_point;
    const uint32_t same = plexus_weight_correction(input, affine, cols);
    for (size_t row = 0; row < rows; row++) {
        const uint32_t products = plexus_dot_s8(input, &weight[row * cols], cols, zero_point);
        output[row] = plexus_affine_output(affine, plexus_affine_start(affine, row) + products - same, row);
    }
}

//: fully_connected_s4
/* As fully_connected_s8, of 4-bit weights, two in a byte, the lower half first, rows without gaps. */
static void plexus_fully_connected_s4(const int8_t *input, const uint8_t *weight, const plexus_affine *affine,
                                      int8_t *output, size_t rows, size_t cols)
{
    const uint32_t zero_point = (uint32_t)affine->input_zero_point;
    const uint32_t same = plexus_weight_correction(input, affine, cols);
    for (size_t row = 0; row < rows; row++) {
        const uint32_t products = plexus_dot_s4(input, weight, row * cols, cols, zero_point);
        output[row] = plexus_affine_output(affine, plexus_affine_start(affine, row) + products - same, row);
    }
}

//: fully_connected_s16x8
/*
 * sum[o] = bias[o] + sum over i of input[i] * weight[o][i]                                                 64 bits
 * output[o] = clamp(reduced(sum[o], scale[o]), low, high)
 */
static void plexus_fully_connected_s16x8(const int16_t *input, const int8_t *weight, const plexus_affine_wide *affine,
                                         int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint64_t products = plexus_dot_q7_q15_wide(input, &weight[row * cols], cols);
        output[row] = plexus_affine_wide_output(affine, plexus_affine_wide_start(affine, row) + products, row);
    }
}

//: fully_connected_s16
/* As fully_connected_s16x8, of 16-bit weights. */
static void plexus_fully_connected_s16(const int16_t *input, const int16_t *weight, const plexus_affine_wide *affine,
                                       int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint64_t products = plexus_dot_q15_wide(input, &weight[row * cols], cols);
        output[row] = plexus_affine_wide_output(affine, plexus_affine_wide_start(affine, row) + products, row);
    }
}

//: fully_connected_q7
/*
 * sum[o] = (bias[o] << bias_shift) + sum over i of input[i] * weight[o][i]                                 wrapping at 32 bits
 * output[o] = saturate((sum[o] + half) >> out_shift)                  half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_fully_connected_q7(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                      plexus_shifts shifts, int8_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[row] << shifts.bias;
        const uint32_t sum = start + plexus_dot_q7(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s8(plexus_power_of_two(sum, shifts));
    }
}

//: fully_connected_q7_wide
/* As fully_connected_q7, with 64-bit sums, which do not wrap. */
static void plexus_fully_connected_q7_wide(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                           plexus_shifts shifts, int8_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[row] << shifts.bias;
        const uint64_t sum = start + plexus_dot_q7_wide(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s8(plexus_power_of_two_wide(sum, shifts));
    }
}

//: fully_connected_q15
/*
 * sum[o] = (bias[o] << bias_shift) + sum over i of input[i] * weight[o][i]                                 wrapping at 32 bits
 * output[o] = saturate((sum[o] + half) >> out_shift)                  half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_fully_connected_q15(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                       plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[row] << shifts.bias;
        const uint32_t sum = start + plexus_dot_q15(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s16(plexus_power_of_two(sum, shifts));
    }
}

//: fully_connected_q15_wide
/* As fully_connected_q15, with 64-bit sums, which do not wrap. */
static void plexus_fully_connected_q15_wide(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                            plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[row] << shifts.bias;
        const uint64_t sum = start + plexus_dot_q15_wide(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s16(plexus_power_of_two_wide(sum, shifts));
    }
}

//: fully_connected_q7_q15
/*
 * sum[o] = (bias[o] << bias_shift) + sum over i of input[i] * weight[o][i]                                 wrapping at 32 bits
 * output[o] = saturate((sum[o] + half) >> out_shift)                  half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_fully_connected_q7_q15(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                          plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[row] << shifts.bias;
        const uint32_t sum = start + plexus_dot_q7_q15(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s16(plexus_power_of_two(sum, shifts));
    }
}

//: fully_connected_q7_q15_wide
/* As fully_connected_q7_q15, with 64-bit sums, which do not wrap. */
static void plexus_fully_connected_q7_q15_wide(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                               plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    for (size_t row = 0; row < rows; row++) {
        const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[row] << shifts.bias;
        const uint64_t sum = start + plexus_dot_q7_q15_wide(input, &weight[row * cols], cols);
        output[row] = plexus_saturate_s16(plexus_power_of_two_wide(sum, shifts));
    }
}

// Transposed convolutions: the window is that of the convolution backwards, it slides over the output. `input` is [rows][columns][channels]
// of its windows, `output` is `window.input`, whose last number are the filters.

//: conv_transpose2d_s8
/*
 * sum[y][x][o] = bias[o] + sum of (input[r][q][c] - input_zero_point) * weight[o][i][j][c]             wrapping at 32 bits
 *                over all r, q, i, j with y = r * s + i * d - top and x = q * s + j * d - left
 * output[y][x][o] = clamp(round(sum * scale[o]) + output_zero_point, low, high)
 */
static void plexus_conv_transpose2d_s8(const int8_t *input, const int8_t *weight, const plexus_affine *affine,
                                       int8_t *output, const plexus_window *window, size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_s8(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_s16x8
/* As conv_transpose2d_s8 with 16-bit activations and 64-bit sums: output = clamp(reduced(sum, scale[o]), low, high) */
static void plexus_conv_transpose2d_s16x8(const int16_t *input, const int8_t *weight, const plexus_affine_wide *affine,
                                          int16_t *output, const plexus_window *window, size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_s16x8(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_s16
/* As conv_transpose2d_s16x8, of 16-bit weights. */
static void plexus_conv_transpose2d_s16(const int16_t *input, const int16_t *weight, const plexus_affine_wide *affine,
                                        int16_t *output, const plexus_window *window, size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_s16(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q7
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv_transpose2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv_transpose2d_q7(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                       plexus_shifts shifts, int8_t *output, const plexus_window *window,
                                       size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q7(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q7_wide
/* As conv_transpose2d_q7, with 64-bit sums, which do not wrap. */
static void plexus_conv_transpose2d_q7_wide(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                            plexus_shifts shifts, int8_t *output, const plexus_window *window,
                                            size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q7_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q15
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv_transpose2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv_transpose2d_q15(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                        plexus_shifts shifts, int16_t *output, const plexus_window *window,
                                        size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q15(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q15_wide
/* As conv_transpose2d_q15, with 64-bit sums, which do not wrap. */
static void plexus_conv_transpose2d_q15_wide(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                             plexus_shifts shifts, int16_t *output, const plexus_window *window,
                                             size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q15_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q7_q15
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv_transpose2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv_transpose2d_q7_q15(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                           plexus_shifts shifts, int16_t *output, const plexus_window *window,
                                           size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q7_q15(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: conv_transpose2d_q7_q15_wide
/* As conv_transpose2d_q7_q15, with 64-bit sums, which do not wrap. */
static void plexus_conv_transpose2d_q7_q15_wide(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                                plexus_shifts shifts, int16_t *output, const plexus_window *window,
                                                size_t channels)
{
    const size_t rows = window->input[0], cols = window->input[1], filters = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_transpose_taps(window, channels, y, x);
            plexus_pixel_q7_q15_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

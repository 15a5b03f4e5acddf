// Convolutions of maps of [height][width][channels]: each output [y][x][o] sums the products of a window of the input and filter `o`.
// A convolution finds where it reads, `taps`, once for each place of the output; then a function of its types goes through the
// filters. Transposed convolutions only find other places. `weight` is [filters][rows][columns][channels of a group].

//: taps
/* What a place of the output sums: `rows` times `cols` runs of `count` numbers. Steps are modulo the size of size_t. */
typedef struct {
    size_t groups, filters;                               /* groups, and filters of each */
    size_t rows, cols, count;                             /* runs, and numbers of each */
    size_t input, input_group, input_row, input_col;      /* where the input begins; steps from one to the next */
    size_t weight, weight_filter, weight_row, weight_col; /* the same of the weight */
} plexus_taps;

//: taps_at
/* Where the products of lines of taps are, in maps of so many columns and channels. */
static plexus_taps plexus_taps_at(plexus_line rows, plexus_line cols, size_t width, size_t channels,
                                  const size_t kernel[2], size_t filters, size_t groups)
{
    const size_t own = channels / groups;
    plexus_taps taps;
    taps.groups = groups;
    taps.filters = filters / groups;
    taps.rows = rows.count;
    taps.cols = cols.count;
    taps.count = own;
    taps.input = (rows.place * width + cols.place) * channels;
    taps.input_group = own;
    taps.input_row = rows.place_step * width * channels;
    taps.input_col = cols.place_step * channels;
    taps.weight = (rows.tap * kernel[1] + cols.tap) * own;
    taps.weight_filter = kernel[0] * kernel[1] * own;
    taps.weight_row = rows.tap_step * kernel[1] * own;
    taps.weight_col = cols.tap_step * own;
    if (taps.cols > 1 && taps.input_col == own && taps.weight_col == own) {
        /* Columns follow each other without gaps: one run. */
        taps.count = taps.cols * own;
        taps.cols = 1;
    }
    return taps;
}

//: conv_taps
/* What a convolution sums at row y and column x of its output. */
static plexus_taps plexus_conv_taps(const plexus_window *window, size_t filters, size_t groups, size_t y, size_t x)
{
    return plexus_taps_at(plexus_taps_inside(window, 0, y), plexus_taps_inside(window, 1, x), window->input[1],
                          window->input[2], window->kernel, filters, groups);
}

//: conv_transpose_taps
/* What a transposed convolution sums at row y and column x of its output, which is the map that the window slides over. */
static plexus_taps plexus_conv_transpose_taps(const plexus_window *window, size_t channels, size_t y, size_t x)
{
    return plexus_taps_at(plexus_taps_meeting(window, 0, y), plexus_taps_meeting(window, 1, x),
                          plexus_window_output(window, 1), channels, window->kernel, window->input[2], 1);
}

//: depthwise_taps
/* As conv_taps with a group for each channel, of weights [rows][columns][filters]. */
static plexus_taps plexus_depthwise_taps(const plexus_window *window, size_t filters, size_t y, size_t x)
{
    const plexus_line rows = plexus_taps_inside(window, 0, y), cols = plexus_taps_inside(window, 1, x);
    const size_t channels = window->input[2];
    plexus_taps taps = plexus_taps_at(rows, cols, window->input[1], channels, window->kernel, filters, channels);
    taps.cols = cols.count;
    taps.count = 1;
    taps.weight = (rows.tap * window->kernel[1] + cols.tap) * filters;
    taps.weight_filter = 1;
    taps.weight_row = window->kernel[1] * filters;
    taps.weight_col = filters;
    return taps;
}

//: pixel_s8
/* The outputs of all filters at one place. */
static void plexus_pixel_s8(const plexus_taps *taps, const int8_t *input, const int8_t *weight,
                            const plexus_affine *affine, int8_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint32_t sum = plexus_affine_start(affine, filter);
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_s8(&input[from], &weight[at], taps->count, (uint32_t)affine->input_zero_point);
                }
            }
            output[filter] = plexus_affine_output(affine, sum, filter);
        }
    }
}

//: conv2d_s8
/*
 * sum[y][x][o] = bias[o] + sum over i, j, c of (input[y * s + i * d - top][x * s + j * d - left][first(o) + c] - input_zero_point)
 *                * weight[o][i][j][c]                                 wrapping at 32 bits; nothing is summed outside of the map
 * output[y][x][o] = clamp(round(sum * scale[o]) + output_zero_point, low, high)
 */
static void plexus_conv2d_s8(const int8_t *input, const int8_t *weight, const plexus_affine *affine, int8_t *output,
                             const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_s8(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: depthwise_conv2d_s8
/* As conv2d_s8 with `filters / channels` filters for each channel, of weights [rows][columns][filters]. */
static void plexus_depthwise_conv2d_s8(const int8_t *input, const int8_t *weight, const plexus_affine *affine,
                                       int8_t *output, const plexus_window *window, size_t filters)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_depthwise_taps(window, filters, y, x);
            plexus_pixel_s8(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_s4
/* The outputs of all filters at one place. */
static void plexus_pixel_s4(const plexus_taps *taps, const int8_t *input, const uint8_t *weight,
                            const plexus_affine *affine, int8_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint32_t sum = plexus_affine_start(affine, filter);
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_s4(&input[from], weight, at, taps->count, (uint32_t)affine->input_zero_point);
                }
            }
            output[filter] = plexus_affine_output(affine, sum, filter);
        }
    }
}

//: conv2d_s4
/* As conv2d_s8, of 4-bit weights, two in a byte, the lower half first, filters without gaps. */
static void plexus_conv2d_s4(const int8_t *input, const uint8_t *weight, const plexus_affine *affine, int8_t *output,
                             const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_s4(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_s16x8
/* The outputs of all filters at one place. */
static void plexus_pixel_s16x8(const plexus_taps *taps, const int16_t *input, const int8_t *weight,
                               const plexus_affine_wide *affine, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint64_t sum = plexus_affine_wide_start(affine, filter);
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q7_q15_wide(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_affine_wide_output(affine, sum, filter);
        }
    }
}

//: conv2d_s16x8
/* As conv2d_s8 with 16-bit activations and 64-bit sums: output = clamp(reduced(sum, scale[o]), low, high) */
static void plexus_conv2d_s16x8(const int16_t *input, const int8_t *weight, const plexus_affine_wide *affine,
                                int16_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_s16x8(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_s16
/* The outputs of all filters at one place. */
static void plexus_pixel_s16(const plexus_taps *taps, const int16_t *input, const int16_t *weight,
                             const plexus_affine_wide *affine, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint64_t sum = plexus_affine_wide_start(affine, filter);
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q15_wide(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_affine_wide_output(affine, sum, filter);
        }
    }
}

//: conv2d_s16
/* As conv2d_s16x8, of 16-bit weights. */
static void plexus_conv2d_s16(const int16_t *input, const int16_t *weight, const plexus_affine_wide *affine,
                              int16_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_s16(&taps, input, weight, affine, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q7
/* The outputs of all filters at one place. */
static void plexus_pixel_q7(const plexus_taps *taps, const int8_t *input, const int8_t *weight, const int8_t *bias,
                            plexus_shifts shifts, int8_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint32_t sum = bias == NULL ? 0u : (uint32_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q7(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s8(plexus_power_of_two(sum, shifts));
        }
    }
}

//: conv2d_q7
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv2d_q7(const int8_t *input, const int8_t *weight, const int8_t *bias, plexus_shifts shifts,
                             int8_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q7(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q7_wide
/* The outputs of all filters at one place. */
static void plexus_pixel_q7_wide(const plexus_taps *taps, const int8_t *input, const int8_t *weight, const int8_t *bias,
                                 plexus_shifts shifts, int8_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint64_t sum = bias == NULL ? 0u : (uint64_t)(int64_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q7_wide(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s8(plexus_power_of_two_wide(sum, shifts));
        }
    }
}

//: conv2d_q7_wide
/* As conv2d_q7, with 64-bit sums, which do not wrap. */
static void plexus_conv2d_q7_wide(const int8_t *input, const int8_t *weight, const int8_t *bias, plexus_shifts shifts,
                                  int8_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q7_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q15
/* The outputs of all filters at one place. */
static void plexus_pixel_q15(const plexus_taps *taps, const int16_t *input, const int16_t *weight, const int16_t *bias,
                             plexus_shifts shifts, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint32_t sum = bias == NULL ? 0u : (uint32_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q15(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s16(plexus_power_of_two(sum, shifts));
        }
    }
}

//: conv2d_q15
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv2d_q15(const int16_t *input, const int16_t *weight, const int16_t *bias, plexus_shifts shifts,
                              int16_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q15(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q15_wide
/* The outputs of all filters at one place. */
static void plexus_pixel_q15_wide(const plexus_taps *taps, const int16_t *input, const int16_t *weight,
                                  const int16_t *bias, plexus_shifts shifts, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint64_t sum = bias == NULL ? 0u : (uint64_t)(int64_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q15_wide(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s16(plexus_power_of_two_wide(sum, shifts));
        }
    }
}

//: conv2d_q15_wide
/* As conv2d_q15, with 64-bit sums, which do not wrap. */
static void plexus_conv2d_q15_wide(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                   plexus_shifts shifts, int16_t *output, const plexus_window *window, size_t filters,
                                   size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q15_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q7_q15
/* The outputs of all filters at one place. */
static void plexus_pixel_q7_q15(const plexus_taps *taps, const int16_t *input, const int8_t *weight, const int8_t *bias,
                                plexus_shifts shifts, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint32_t sum = bias == NULL ? 0u : (uint32_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q7_q15(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s16(plexus_power_of_two(sum, shifts));
        }
    }
}

//: conv2d_q7_q15
/*
 * sum[y][x][o] = (bias[o] << bias_shift) + the products of conv2d_s8 without a zero point           wrapping at 32 bits
 * output[y][x][o] = saturate((sum + half) >> out_shift)               half = 2^out_shift / 2, or 0 for floor
 */
static void plexus_conv2d_q7_q15(const int16_t *input, const int8_t *weight, const int8_t *bias, plexus_shifts shifts,
                                 int16_t *output, const plexus_window *window, size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q7_q15(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

//: pixel_q7_q15_wide
/* The outputs of all filters at one place. */
static void plexus_pixel_q7_q15_wide(const plexus_taps *taps, const int16_t *input, const int8_t *weight,
                                     const int8_t *bias, plexus_shifts shifts, int16_t *output)
{
    size_t filter = 0;
    for (size_t group = 0; group < taps->groups; group++) {
        for (size_t left = taps->filters; left > 0; left--, filter++) {
            const size_t input_at = taps->input + group * taps->input_group;
            const size_t weight_at = taps->weight + filter * taps->weight_filter;
            uint64_t sum = bias == NULL ? 0u : (uint64_t)(int64_t)bias[filter] << shifts.bias;
            for (size_t row = 0; row < taps->rows; row++) {
                for (size_t col = 0; col < taps->cols; col++) {
                    const size_t from = input_at + row * taps->input_row + col * taps->input_col;
                    const size_t at = weight_at + row * taps->weight_row + col * taps->weight_col;
                    sum += plexus_dot_q7_q15_wide(&input[from], &weight[at], taps->count);
                }
            }
            output[filter] = plexus_saturate_s16(plexus_power_of_two_wide(sum, shifts));
        }
    }
}

//: conv2d_q7_q15_wide
/* As conv2d_q7_q15, with 64-bit sums, which do not wrap. */
static void plexus_conv2d_q7_q15_wide(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                      plexus_shifts shifts, int16_t *output, const plexus_window *window,
                                      size_t filters, size_t groups)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_taps taps = plexus_conv_taps(window, filters, groups, y, x);
            plexus_pixel_q7_q15_wide(&taps, input, weight, bias, shifts, &output[(y * cols + x) * filters]);
        }
    }
}

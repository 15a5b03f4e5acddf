// Poolings over maps of [height][width][channels].

//: max_pool_s8
/* The largest number of each window, clamped from low to high; of a window on padding alone it is low. */
static void plexus_max_pool_s8(const int8_t *input, int8_t low, int8_t high, int8_t *output,
                               const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            for (size_t channel = 0; channel < channels; channel++) {
                int8_t largest = low;
                for (size_t i = 0; i < down.count; i++) {
                    for (size_t j = 0; j < across.count; j++) {
                        const size_t row = down.place + i * down.place_step, col = across.place + j * across.place_step;
                        const int8_t value = input[(row * window->input[1] + col) * channels + channel];
                        largest = value > largest ? value : largest;
                    }
                }
                output[(y * cols + x) * channels + channel] = largest < high ? largest : high;
            }
        }
    }
}

//: max_pool_s16
/* The largest number of each window, clamped from low to high; of a window on padding alone it is low. */
static void plexus_max_pool_s16(const int16_t *input, int16_t low, int16_t high, int16_t *output,
                                const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            for (size_t channel = 0; channel < channels; channel++) {
                int16_t largest = low;
                for (size_t i = 0; i < down.count; i++) {
                    for (size_t j = 0; j < across.count; j++) {
                        const size_t row = down.place + i * down.place_step, col = across.place + j * across.place_step;
                        const int16_t value = input[(row * window->input[1] + col) * channels + channel];
                        largest = value > largest ? value : largest;
                    }
                }
                output[(y * cols + x) * channels + channel] = largest < high ? largest : high;
            }
        }
    }
}

//: window_sum_s8
/* The sum of a channel over the taps of a window that are inside of the map. Of at most 2^24 numbers. */
static int32_t plexus_window_sum_s8(const int8_t *input, const plexus_window *window, const plexus_line *down,
                                    const plexus_line *across, size_t channel)
{
    int32_t sum = 0;
    for (size_t i = 0; i < down->count; i++) {
        for (size_t j = 0; j < across->count; j++) {
            const size_t row = down->place + i * down->place_step, col = across->place + j * across->place_step;
            sum += input[(row * window->input[1] + col) * window->input[2] + channel];
        }
    }
    return sum;
}

//: avg_pool_s8
/*
 * clamp((sum > 0 ? sum + count / 2 : sum - count / 2) / count, low, high)                 divisions towards zero
 * Padding does not count; no window may be on padding alone.
 */
static void plexus_avg_pool_s8(const int8_t *input, int8_t low, int8_t high, int8_t *output,
                               const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            const int32_t count = (int32_t)(down.count * across.count);
            for (size_t channel = 0; channel < channels; channel++) {
                const int32_t sum = plexus_window_sum_s8(input, window, &down, &across, channel);
                const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                output[(y * cols + x) * channels + channel] = (int8_t)(mean < low ? low : mean > high ? high : mean);
            }
        }
    }
}

//: avg_pool_q7
/* sum / count towards zero. Padding does not count; no window may be on padding alone. */
static void plexus_avg_pool_q7(const int8_t *input, int8_t *output, const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            const int32_t count = (int32_t)(down.count * across.count);
            for (size_t channel = 0; channel < channels; channel++) {
                const int32_t sum = plexus_window_sum_s8(input, window, &down, &across, channel);
                output[(y * cols + x) * channels + channel] = (int8_t)(sum / count);
            }
        }
    }
}

//: window_sum_s16
/* The sum of a channel over the taps of a window that are inside of the map. */
static int64_t plexus_window_sum_s16(const int16_t *input, const plexus_window *window, const plexus_line *down,
                                     const plexus_line *across, size_t channel)
{
    int64_t sum = 0;
    for (size_t i = 0; i < down->count; i++) {
        for (size_t j = 0; j < across->count; j++) {
            const size_t row = down->place + i * down->place_step, col = across->place + j * across->place_step;
            sum += input[(row * window->input[1] + col) * window->input[2] + channel];
        }
    }
    return sum;
}

//: avg_pool_s16
/*
 * clamp((sum > 0 ? sum + count / 2 : sum - count / 2) / count, low, high)                 divisions towards zero
 * Padding does not count; no window may be on padding alone.
 */
static void plexus_avg_pool_s16(const int16_t *input, int16_t low, int16_t high, int16_t *output,
                                const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            const int64_t count = (int64_t)(down.count * across.count);
            for (size_t channel = 0; channel < channels; channel++) {
                const int64_t sum = plexus_window_sum_s16(input, window, &down, &across, channel);
                const int64_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                output[(y * cols + x) * channels + channel] = (int16_t)(mean < low ? low : mean > high ? high : mean);
            }
        }
    }
}

//: avg_pool_q15
/* sum / count towards zero. Padding does not count; no window may be on padding alone. */
static void plexus_avg_pool_q15(const int16_t *input, int16_t *output, const plexus_window *window)
{
    const size_t rows = plexus_window_output(window, 0), cols = plexus_window_output(window, 1);
    const size_t channels = window->input[2];
    for (size_t y = 0; y < rows; y++) {
        for (size_t x = 0; x < cols; x++) {
            const plexus_line down = plexus_taps_inside(window, 0, y), across = plexus_taps_inside(window, 1, x);
            const int64_t count = (int64_t)(down.count * across.count);
            for (size_t channel = 0; channel < channels; channel++) {
                const int64_t sum = plexus_window_sum_s16(input, window, &down, &across, channel);
                output[(y * cols + x) * channels + channel] = (int16_t)(sum / count);
            }
        }
    }
}

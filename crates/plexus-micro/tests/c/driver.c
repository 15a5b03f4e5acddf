/* Calls the functions of pieces.c as the standard input says, and writes what they give. Both are numbers of 64 bits: a call is the name of a
 * function and its arguments, a list is its length and its numbers, a missing list has the length -1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pieces.c"

/* What a call has allocated: each list by itself and no larger than it is, so that a sanitizer sees what is read or written beside it. */
static void *lists[64];
static size_t list_count = 0;

static void *list_of(size_t bytes)
{
    void *list = malloc(bytes > 0 ? bytes : 1);
    if (list == NULL || list_count == 64) {
        exit(3);
    }
    lists[list_count++] = list;
    return list;
}

static int64_t number(void)
{
    int64_t value;
    if (fread(&value, sizeof value, 1, stdin) != 1) {
        exit(4);
    }
    return value;
}

static void give(int64_t value)
{
    if (fwrite(&value, sizeof value, 1, stdout) != 1) {
        exit(5);
    }
}

static size_t size(void)
{
    return (size_t)number();
}

static int32_t word(void)
{
    return (int32_t)number();
}

/* Reads a list of a type; writes one. */
#define LISTS(type)                                                           \
    static type *read_##type(size_t *count)                                   \
    {                                                                         \
        const int64_t length = number();                                      \
        type *list;                                                           \
        *count = length < 0 ? 0 : (size_t)length;                             \
        if (length < 0) {                                                     \
            return NULL;                                                      \
        }                                                                     \
        list = list_of(*count * sizeof(type));                                \
        for (size_t i = 0; i < *count; i++) {                                 \
            list[i] = (type)number();                                         \
        }                                                                     \
        return list;                                                          \
    }
#define GIVES(type)                                                           \
    static void give_##type(const type *list, size_t count)                   \
    {                                                                         \
        give((int64_t)count);                                                 \
        for (size_t i = 0; i < count; i++) {                                  \
            give(list[i]);                                                    \
        }                                                                     \
    }
LISTS(int8_t)
LISTS(uint8_t)
LISTS(int16_t)
LISTS(int32_t)
LISTS(int64_t)
LISTS(size_t)
GIVES(int8_t)
GIVES(int16_t)
GIVES(int32_t)
GIVES(int64_t)

static plexus_multiplier scale(void)
{
    plexus_multiplier read;
    read.multiplier = word();
    read.shift = word();
    return read;
}

static plexus_multiplier *scales(int *for_each_row)
{
    const size_t count = size();
    plexus_multiplier *list = list_of(count * sizeof(plexus_multiplier));
    for (size_t i = 0; i < count; i++) {
        list[i] = scale();
    }
    *for_each_row = count > 1;
    return list;
}

static plexus_rounding rounding(void)
{
    return number() == 0 ? PLEXUS_DOUBLE : PLEXUS_SINGLE;
}

static plexus_affine affine(void)
{
    plexus_affine read;
    size_t count;
    read.bias = read_int32_t(&count);
    read.scales = scales(&read.scale_for_each_row);
    read.rounding = rounding();
    read.input_zero_point = word();
    read.weight_zero_point = word();
    read.output_zero_point = word();
    read.low = word();
    read.high = word();
    return read;
}

static plexus_affine_wide affine_wide(void)
{
    plexus_affine_wide read;
    size_t count;
    read.bias = read_int64_t(&count);
    read.scales = scales(&read.scale_for_each_row);
    read.low = word();
    read.high = word();
    return read;
}

static plexus_shifts shifts(void)
{
    plexus_shifts read;
    read.bias = (unsigned)number();
    read.out = (unsigned)number();
    read.floor = (int)number();
    return read;
}

static plexus_window window(void)
{
    plexus_window read;
    for (int i = 0; i < 3; i++) {
        read.input[i] = size();
    }
    for (int i = 0; i < 2; i++) {
        read.kernel[i] = size();
    }
    for (int i = 0; i < 2; i++) {
        read.stride[i] = size();
    }
    for (int i = 0; i < 4; i++) {
        read.padding[i] = size();
    }
    for (int i = 0; i < 2; i++) {
        read.dilation[i] = size();
    }
    return read;
}

static const char *function;

#define IS(name) (strcmp(function, #name) == 0)

/* Fully connected layers: input, weight, what the scheme needs, rows, columns. */
#define FULLY_CONNECTED(name, X, W, Scheme, scheme)                           \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const Scheme with = scheme();                                         \
        const size_t rows = size(), cols = size();                            \
        X *output = list_of(rows * sizeof(X));                                \
        plexus_##name(input, weight, &with, output, rows, cols);              \
        give_##X(output, rows);                                               \
        return;                                                               \
    }
#define FULLY_CONNECTED_POWER(name, X, W)                                     \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const W *bias = read_##W(&count);                                     \
        const plexus_shifts with = shifts();                                  \
        const size_t rows = size(), cols = size();                            \
        X *output = list_of(rows * sizeof(X));                                \
        plexus_##name(input, weight, bias, with, output, rows, cols);         \
        give_##X(output, rows);                                               \
        return;                                                               \
    }

/* Convolutions: input, weight, what the scheme needs, window, filters, groups; of transposed ones window, channels. */
#define OUTPUTS plexus_window_output(&at, 0) * plexus_window_output(&at, 1)
#define CONV(name, X, W, Scheme, scheme)                                      \
    if (IS(conv2d_##name)) {                                                  \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const Scheme with = scheme();                                         \
        const plexus_window at = window();                                    \
        const size_t filters = size(), groups = size();                       \
        const size_t outputs = OUTPUTS * filters;                             \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_conv2d_##name(input, weight, &with, output, &at, filters, groups); \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }
#define CONV_TRANSPOSE(name, X, W, Scheme, scheme)                            \
    if (IS(conv_transpose2d_##name)) {                                        \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const Scheme with = scheme();                                         \
        const plexus_window at = window();                                    \
        const size_t channels = size();                                       \
        const size_t outputs = at.input[0] * at.input[1] * at.input[2];       \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_conv_transpose2d_##name(input, weight, &with, output, &at, channels); \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }
#define CONV_POWER(name, X, W)                                                \
    if (IS(conv2d_##name)) {                                                  \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const W *bias = read_##W(&count);                                     \
        const plexus_shifts with = shifts();                                  \
        const plexus_window at = window();                                    \
        const size_t filters = size(), groups = size();                       \
        const size_t outputs = OUTPUTS * filters;                             \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_conv2d_##name(input, weight, bias, with, output, &at, filters, groups); \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }                                                                         \
    if (IS(conv_transpose2d_##name)) {                                        \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const W *weight = read_##W(&count);                                   \
        const W *bias = read_##W(&count);                                     \
        const plexus_shifts with = shifts();                                  \
        const plexus_window at = window();                                    \
        const size_t channels = size();                                       \
        const size_t outputs = at.input[0] * at.input[1] * at.input[2];       \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_conv_transpose2d_##name(input, weight, bias, with, output, &at, channels); \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }

/* Poolings: input, window, low, high. */
#define POOL(name, X)                                                         \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const plexus_window at = window();                                    \
        const X low = (X)number(), high = (X)number();                        \
        const size_t outputs = OUTPUTS * at.input[2];                         \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_##name(input, low, high, output, &at);                         \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }
#define POOL_POWER(name, X)                                                   \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        const plexus_window at = window();                                    \
        const size_t outputs = OUTPUTS * at.input[2];                         \
        X *output = list_of(outputs * sizeof(X));                             \
        plexus_##name(input, output, &at);                                    \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }

/* In place: values, low, high; values, table. */
#define CLAMP(name, X)                                                        \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        X *values = read_##X(&count);                                         \
        const X low = (X)number(), high = (X)number();                        \
        plexus_##name(values, low, high, count);                              \
        give_##X(values, count);                                              \
        return;                                                               \
    }
#define LOOKUP(name, X)                                                       \
    if (IS(name)) {                                                           \
        size_t count, entries;                                                \
        X *values = read_##X(&count);                                         \
        const X *table = read_##X(&entries);                                  \
        plexus_##name(values, table, count);                                  \
        give_##X(values, count);                                              \
        return;                                                               \
    }

/* Input, zero point, scale, rounding, zero point. */
#define RESCALE(name, X, Y)                                                   \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        plexus_rescale with;                                                  \
        Y *output = list_of(count * sizeof(Y));                               \
        with.input_zero_point = word();                                       \
        with.scale = scale();                                                 \
        with.rounding = rounding();                                           \
        with.output_zero_point = word();                                      \
        plexus_##name(input, &with, output, count);                           \
        give_##Y(output, count);                                              \
        return;                                                               \
    }

/* Both inputs, zero points, scales, scale, rounding, zero point, low, high. */
#define ADD(name, X)                                                          \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *a = read_##X(&count), *b = read_##X(&count);                 \
        X *output = list_of(count * sizeof(X));                               \
        plexus_addition with;                                                 \
        with.zero_points[0] = word();                                         \
        with.zero_points[1] = word();                                         \
        with.scales[0] = scale();                                             \
        with.scales[1] = scale();                                             \
        with.output_scale = scale();                                          \
        with.rounding = rounding();                                           \
        with.output_zero_point = word();                                      \
        with.low = word();                                                    \
        with.high = word();                                                   \
        plexus_##name(a, b, &with, output, count);                            \
        give_##X(output, count);                                              \
        return;                                                               \
    }

/* Input, shape, border, value. */
#define PAD(name, X)                                                          \
    if (IS(name)) {                                                           \
        size_t count, outputs;                                                \
        const X *input = read_##X(&count);                                    \
        const size_t *shape = read_size_t(&count);                            \
        const size_t *border = read_size_t(&count);                           \
        const X value = (X)number();                                          \
        X *output;                                                            \
        outputs = (border[0] + shape[0] + border[2]) * (border[1] + shape[1] + border[3]) * shape[2]; \
        output = list_of(outputs * sizeof(X));                                \
        plexus_##name(input, shape, border, value, output);                   \
        give_##X(output, outputs);                                            \
        return;                                                               \
    }

/* How many inputs, these, their channels, pixels. */
#define CONCAT(name, X)                                                       \
    if (IS(name)) {                                                           \
        const size_t inputs = size();                                         \
        const X **lists_of = list_of(inputs * sizeof(X *));                   \
        size_t count, all = 0, pixels;                                        \
        const size_t *channels;                                               \
        X *output;                                                            \
        for (size_t i = 0; i < inputs; i++) {                                 \
            lists_of[i] = read_##X(&count);                                   \
            all += count;                                                     \
        }                                                                     \
        channels = read_size_t(&count);                                       \
        pixels = size();                                                      \
        output = list_of(all * sizeof(X));                                    \
        plexus_##name(lists_of, channels, inputs, pixels, output);            \
        give_##X(output, all);                                                \
        return;                                                               \
    }

/* Input. */
/* One example: the weight behind it, whether it was changed, and the class. */
#define READOUT(learn, classify, type)                                                                                 \
    if (IS(learn) || IS(classify)) {                                                                                    \
        size_t count, weights;                                                                                         \
        plexus_readout readout;                                                                                        \
        int16_t *weight, result;                                                                                       \
        const type *features = read_##type(&count);                                                                    \
        const int16_t *given = read_int16_t(&weights);                                                                 \
        weight = list_of(weights * sizeof(int16_t));                                                                   \
        memcpy(weight, given, weights * sizeof(int16_t));                                                              \
        readout.weight = weight;                                                                                       \
        readout.features = count;                                                                                      \
        readout.classes = size();                                                                                      \
        readout.zero_point = word();                                                                                   \
        readout.margin = number();                                                                                     \
        if (IS(classify)) {                                                                                            \
            result = (int16_t)plexus_##classify(&readout, features);                                                   \
            give_int16_t(&result, 1);                                                                                  \
            return;                                                                                                    \
        }                                                                                                              \
        plexus_##learn(&readout, features, size());                                                                    \
        give_int16_t(weight, weights);                                                                                 \
        return;                                                                                                        \
    }

#define SOFTMAX_POWER(name, X)                                                \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const X *input = read_##X(&count);                                    \
        X *output = list_of(count * sizeof(X));                               \
        plexus_##name(input, output, count);                                  \
        give_##X(output, count);                                              \
        return;                                                               \
    }

/* Sums, a scale. */
#define ROUNDING(name, Sum, Result)                                           \
    if (IS(name)) {                                                           \
        size_t count;                                                         \
        const Sum *sums = read_##Sum(&count);                                 \
        const plexus_multiplier by = scale();                                 \
        Result *output = list_of(count * sizeof(Result));                     \
        for (size_t i = 0; i < count; i++) {                                  \
            output[i] = plexus_##name(sums[i], by);                           \
        }                                                                     \
        give_##Result(output, count);                                         \
        return;                                                               \
    }

static void call(void)
{
    FULLY_CONNECTED(fully_connected_s8, int8_t, int8_t, plexus_affine, affine)
    FULLY_CONNECTED(fully_connected_s4, int8_t, uint8_t, plexus_affine, affine)
    FULLY_CONNECTED(fully_connected_s16x8, int16_t, int8_t, plexus_affine_wide, affine_wide)
    FULLY_CONNECTED(fully_connected_s16, int16_t, int16_t, plexus_affine_wide, affine_wide)
    FULLY_CONNECTED_POWER(fully_connected_q7, int8_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_wide, int8_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_opt, int8_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_opt_wide, int8_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q15, int16_t, int16_t)
    FULLY_CONNECTED_POWER(fully_connected_q15_wide, int16_t, int16_t)
    FULLY_CONNECTED_POWER(fully_connected_q15_opt, int16_t, int16_t)
    FULLY_CONNECTED_POWER(fully_connected_q15_opt_wide, int16_t, int16_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_q15, int16_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_q15_wide, int16_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_q15_opt, int16_t, int8_t)
    FULLY_CONNECTED_POWER(fully_connected_q7_q15_opt_wide, int16_t, int8_t)
    CONV(s8, int8_t, int8_t, plexus_affine, affine)
    CONV(s4, int8_t, uint8_t, plexus_affine, affine)
    CONV(s16x8, int16_t, int8_t, plexus_affine_wide, affine_wide)
    CONV(s16, int16_t, int16_t, plexus_affine_wide, affine_wide)
    CONV_TRANSPOSE(s8, int8_t, int8_t, plexus_affine, affine)
    CONV_TRANSPOSE(s16x8, int16_t, int8_t, plexus_affine_wide, affine_wide)
    CONV_TRANSPOSE(s16, int16_t, int16_t, plexus_affine_wide, affine_wide)
    CONV_POWER(q7, int8_t, int8_t)
    CONV_POWER(q7_wide, int8_t, int8_t)
    CONV_POWER(q15, int16_t, int16_t)
    CONV_POWER(q15_wide, int16_t, int16_t)
    CONV_POWER(q7_q15, int16_t, int8_t)
    CONV_POWER(q7_q15_wide, int16_t, int8_t)
    if (IS(depthwise_conv2d_s8)) {
        size_t count;
        const int8_t *input = read_int8_t(&count), *weight = read_int8_t(&count);
        const plexus_affine with = affine();
        const plexus_window at = window();
        const size_t filters = size(), outputs = OUTPUTS * filters;
        int8_t *output = list_of(outputs);
        plexus_depthwise_conv2d_s8(input, weight, &with, output, &at, filters);
        give_int8_t(output, outputs);
        return;
    }
    POOL(max_pool_s8, int8_t)
    POOL(max_pool_s16, int16_t)
    POOL(avg_pool_s8, int8_t)
    POOL(avg_pool_s16, int16_t)
    POOL_POWER(avg_pool_q7, int8_t)
    POOL_POWER(avg_pool_q15, int16_t)
    CLAMP(clamp_s8, int8_t)
    CLAMP(clamp_s16, int16_t)
    LOOKUP(lookup, int8_t)
    LOOKUP(lookup_s16, int16_t)
    RESCALE(rescale_s8, int8_t, int8_t)
    RESCALE(rescale_s16, int16_t, int16_t)
    RESCALE(rescale_s8_to_s16, int8_t, int16_t)
    RESCALE(rescale_s16_to_s8, int16_t, int8_t)
    ADD(add_s8, int8_t)
    ADD(add_s16, int16_t)
    PAD(pad_s8, int8_t)
    PAD(pad_s16, int16_t)
    CONCAT(concat_s8, int8_t)
    CONCAT(concat_s16, int16_t)
    SOFTMAX_POWER(softmax_q7, int8_t)
    SOFTMAX_POWER(softmax_q15, int16_t)
    READOUT(readout_learn_s8, readout_classify_s8, int8_t)
    READOUT(readout_learn_s16, readout_classify_s16, int16_t)
    if (IS(softmax_s8)) {
        size_t count;
        const int8_t *input = read_int8_t(&count);
        const size_t cols = size();
        plexus_softmax_scale with;
        int8_t *output = list_of(count);
        with.multiplier = word();
        with.shift = (unsigned)number();
        with.least = word();
        plexus_softmax_s8(input, &with, output, count / cols, cols);
        give_int8_t(output, count);
        return;
    }
    if (IS(softmax_s16)) {
        size_t count, entries;
        const int16_t *input = read_int16_t(&count);
        const size_t cols = size();
        const plexus_multiplier by = scale();
        plexus_softmax_tables tables;
        int16_t *output = list_of(count * sizeof(int16_t));
        tables.exp = read_int16_t(&entries);
        tables.one_over_one_plus = read_int16_t(&entries);
        plexus_softmax_s16(input, by, &tables, output, count / cols, cols);
        give_int16_t(output, count);
        return;
    }
    ROUNDING(double_rounding, int32_t, int32_t)
    ROUNDING(single_rounding, int32_t, int64_t)
    ROUNDING(reduced, int64_t, int32_t)
    if (IS(power_of_two)) {
        size_t count;
        int32_t *sums = read_int32_t(&count);
        const plexus_shifts with = shifts();
        for (size_t i = 0; i < count; i++) {
            sums[i] = plexus_power_of_two((uint32_t)sums[i], with);
        }
        give_int32_t(sums, count);
        return;
    }
    fprintf(stderr, "there is no function %s\n", function);
    exit(6);
}

int main(void)
{
    for (int64_t calls = number(); calls > 0; calls--) {
        size_t letters;
        function = (const char *)read_int8_t(&letters);
        call();
        while (list_count > 0) {
            free(lists[--list_count]);
        }
    }
    return 0;
}

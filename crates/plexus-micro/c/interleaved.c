// Fully connected layers of interleaved weights: blocks of four rows, in them groups of columns, in each group the order below; then the
// columns that are left over, one by one, and behind the blocks the rows that are left over, as they are.

//: order_q7
/* Row and column of each weight of a group, as 4 * row + column. */
static const uint8_t plexus_order_q7[16] = {0, 4, 2, 6, 8, 12, 10, 14, 1, 5, 3, 7, 9, 13, 11, 15};

//: block_q7
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q7(const int8_t *input, const int8_t *weight, size_t cols, uint32_t sums[4])
{
    const size_t grouped = cols / 4 * 4;
    for (size_t col = 0; col < grouped; col += 4) {
        for (size_t i = 0; i < 16; i++) {
            const uint8_t at = plexus_order_q7[i];
            sums[at / 4] += (uint32_t)input[col + at % 4] * (uint32_t)weight[4 * col + i];
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint32_t)input[col] * (uint32_t)weight[4 * col + row];
        }
    }
}

//: fully_connected_q7_opt
/* As fully_connected_q7, of interleaved weights; the same bits. */
static void plexus_fully_connected_q7_opt(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                          plexus_shifts shifts, int8_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint32_t sums[4] = {0, 0, 0, 0};
        plexus_block_q7(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s8(plexus_power_of_two(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q7(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

//: block_q7_wide
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q7_wide(const int8_t *input, const int8_t *weight, size_t cols, uint64_t sums[4])
{
    const size_t grouped = cols / 4 * 4;
    for (size_t col = 0; col < grouped; col += 4) {
        for (size_t i = 0; i < 16; i++) {
            const uint8_t at = plexus_order_q7[i];
            sums[at / 4] += (uint64_t)(int64_t)((int32_t)input[col + at % 4] * weight[4 * col + i]);
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint64_t)(int64_t)((int32_t)input[col] * weight[4 * col + row]);
        }
    }
}

//: fully_connected_q7_opt_wide
/* As fully_connected_q7_wide, of interleaved weights; the same bits. */
static void plexus_fully_connected_q7_opt_wide(const int8_t *input, const int8_t *weight, const int8_t *bias,
                                               plexus_shifts shifts, int8_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint64_t sums[4] = {0, 0, 0, 0};
        plexus_block_q7_wide(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s8(plexus_power_of_two_wide(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q7_wide(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

//: order_q15
/* Row and column of each weight of a group, as 4 * row + column. */
static const uint8_t plexus_order_q15[8] = {0, 1, 4, 5, 8, 9, 12, 13};

//: block_q15
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q15(const int16_t *input, const int16_t *weight, size_t cols, uint32_t sums[4])
{
    const size_t grouped = cols / 2 * 2;
    for (size_t col = 0; col < grouped; col += 2) {
        for (size_t i = 0; i < 8; i++) {
            const uint8_t at = plexus_order_q15[i];
            sums[at / 4] += (uint32_t)input[col + at % 4] * (uint32_t)weight[4 * col + i];
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint32_t)input[col] * (uint32_t)weight[4 * col + row];
        }
    }
}

//: fully_connected_q15_opt
/* As fully_connected_q15, of interleaved weights; the same bits. */
static void plexus_fully_connected_q15_opt(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                           plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint32_t sums[4] = {0, 0, 0, 0};
        plexus_block_q15(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s16(plexus_power_of_two(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q15(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

//: block_q15_wide
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q15_wide(const int16_t *input, const int16_t *weight, size_t cols, uint64_t sums[4])
{
    const size_t grouped = cols / 2 * 2;
    for (size_t col = 0; col < grouped; col += 2) {
        for (size_t i = 0; i < 8; i++) {
            const uint8_t at = plexus_order_q15[i];
            sums[at / 4] += (uint64_t)(int64_t)((int32_t)input[col + at % 4] * weight[4 * col + i]);
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint64_t)(int64_t)((int32_t)input[col] * weight[4 * col + row]);
        }
    }
}

//: fully_connected_q15_opt_wide
/* As fully_connected_q15_wide, of interleaved weights; the same bits. */
static void plexus_fully_connected_q15_opt_wide(const int16_t *input, const int16_t *weight, const int16_t *bias,
                                                plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint64_t sums[4] = {0, 0, 0, 0};
        plexus_block_q15_wide(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s16(plexus_power_of_two_wide(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q15_wide(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

//: order_q7_q15
/* Row and column of each weight of a group, as 4 * row + column. */
static const uint8_t plexus_order_q7_q15[8] = {0, 4, 1, 5, 8, 12, 9, 13};

//: block_q7_q15
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q7_q15(const int16_t *input, const int8_t *weight, size_t cols, uint32_t sums[4])
{
    const size_t grouped = cols / 2 * 2;
    for (size_t col = 0; col < grouped; col += 2) {
        for (size_t i = 0; i < 8; i++) {
            const uint8_t at = plexus_order_q7_q15[i];
            sums[at / 4] += (uint32_t)input[col + at % 4] * (uint32_t)weight[4 * col + i];
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint32_t)input[col] * (uint32_t)weight[4 * col + row];
        }
    }
}

//: fully_connected_q7_q15_opt
/* As fully_connected_q7_q15, of interleaved weights; the same bits. */
static void plexus_fully_connected_q7_q15_opt(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                              plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint32_t sums[4] = {0, 0, 0, 0};
        plexus_block_q7_q15(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint32_t start = bias == NULL ? 0u : (uint32_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s16(plexus_power_of_two(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q7_q15(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

//: block_q7_q15_wide
/* Adds the products of a block to the sums of its four rows. */
static void plexus_block_q7_q15_wide(const int16_t *input, const int8_t *weight, size_t cols, uint64_t sums[4])
{
    const size_t grouped = cols / 2 * 2;
    for (size_t col = 0; col < grouped; col += 2) {
        for (size_t i = 0; i < 8; i++) {
            const uint8_t at = plexus_order_q7_q15[i];
            sums[at / 4] += (uint64_t)(int64_t)((int32_t)input[col + at % 4] * weight[4 * col + i]);
        }
    }
    for (size_t col = grouped; col < cols; col++) {
        for (size_t row = 0; row < 4; row++) {
            sums[row] += (uint64_t)(int64_t)((int32_t)input[col] * weight[4 * col + row]);
        }
    }
}

//: fully_connected_q7_q15_opt_wide
/* As fully_connected_q7_q15_wide, of interleaved weights; the same bits. */
static void plexus_fully_connected_q7_q15_opt_wide(const int16_t *input, const int8_t *weight, const int8_t *bias,
                                                   plexus_shifts shifts, int16_t *output, size_t rows, size_t cols)
{
    const size_t whole = rows / 4 * 4;
    for (size_t first = 0; first < whole; first += 4) {
        uint64_t sums[4] = {0, 0, 0, 0};
        plexus_block_q7_q15_wide(input, &weight[first * cols], cols, sums);
        for (size_t row = 0; row < 4; row++) {
            const uint64_t start = bias == NULL ? 0u : (uint64_t)(int64_t)bias[first + row] << shifts.bias;
            output[first + row] = plexus_saturate_s16(plexus_power_of_two_wide(start + sums[row], shifts));
        }
    }
    bias = bias == NULL ? NULL : &bias[whole];
    plexus_fully_connected_q7_q15_wide(input, &weight[whole * cols], bias, shifts, &output[whole], rows - whole, cols);
}

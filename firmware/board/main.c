/* The program on the board: the golden inputs, or one run that is measured. */
#include "board.h"
#include "NAME.h"

#if VERIFY
#include "NAME_golden.h"

int main(void)
{
    NAME_verify(board_put);
    return 0;
}
#else
/* Zeros for all inputs, and room for all outputs. */
static uint32_t numbers[65536];

static void step(size_t index, const void *values, size_t count, size_t size)
{
    (void)index;
    (void)values;
    (void)count;
    (void)size;
    board_step();
}

static void run(void)
{
    NAME_run_watched(ARGUMENTS, step);
}

int main(void)
{
    board_measure(run);
    return 0;
}
#endif

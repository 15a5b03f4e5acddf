#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_put(const char *text);
void board_exit(int code);
void board_count(const char *name, uint64_t number);
/* Between steps: SysTick counts so far only as 24 bits go. */
void board_step(void);
/* Runs twice: for the stack, and for the instructions. */
void board_measure(void (*run)(void));

#endif

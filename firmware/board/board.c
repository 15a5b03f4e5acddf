/* A board in QEMU: start, text, end, and what a run takes. Arm: semihosting and SysTick; RISC-V: the machine virt. */
#include <stddef.h>
#include <stdint.h>

#include "board.h"

extern uint32_t __bss_start, __bss_end, __stack_top, __flash_start, __flash_end;
int main(void);

static char line[256];
static size_t filled = 0;

#ifdef __riscv
static void write_text(void)
{
    for (size_t i = 0; i < filled; i++) {
        *(volatile uint8_t *)0x10000000 = (uint8_t)line[i];
    }
}

void board_exit(int code)
{
    *(volatile uint32_t *)0x00100000 = code == 0 ? 0x5555u : ((uint32_t)code << 16 | 0x3333u);
    for (;;) {
    }
}

/* With -icount shift=6 the emulator counts 64 for each instruction. */
static uint32_t ticks(void)
{
    uint32_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}

static uint64_t instructions_of(uint32_t before, uint32_t after) { return (after - before) / 64u; }

__asm__(".section .vectors, \"ax\"\n.global _start\n_start:\n"
        "la sp, __stack_top\nla t0, __bss_start\nla t1, __bss_end\n"
        "1: bgeu t0, t1, 2f\nsw zero, 0(t0)\naddi t0, t0, 4\nj 1b\n2: call board_start\n.text\n");

void board_start(void) { board_exit(main()); }
#else
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void write_text(void)
{
    line[filled] = 0;
    semihosting(0x04, line);
}

void board_exit(int code)
{
    const uint32_t why[2] = {0x20026u, (uint32_t)code};
    semihosting(0x20, why);
    for (;;) {
    }
}

/* SysTick counts down, 24 bits. */
static uint32_t ticks(void) { return 0x00FFFFFFu - *(volatile uint32_t *)0xE000E018u; }

/* With -icount shift=6 an instruction takes 64 ns of the clock of the board. */
static uint64_t instructions_of(uint32_t before, uint32_t after)
{
    return (uint64_t)((after - before) & 0x00FFFFFFu) * 1000u / BOARD_TICKS;
}

void board_start(void)
{
    /* Floating-point and vector unit on, where there is one; what is not there reads as zero. */
    *(volatile uint32_t *)0xE000ED88u |= 0x00F00000u;
    for (volatile uint32_t *word = &__bss_start; word < &__bss_end; word++) {
        *word = 0;
    }
    *(volatile uint32_t *)0xE000E014u = 0x00FFFFFFu;
    *(volatile uint32_t *)0xE000E018u = 0;
    *(volatile uint32_t *)0xE000E010u = 5;
    board_exit(main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[2] = {&__stack_top, (const void *)board_start};
#endif

void board_put(const char *text)
{
    for (; *text != 0; text++) {
        line[filled++] = *text;
        if (filled == sizeof line - 1 || *text == '\n') {
            write_text();
            filled = 0;
        }
    }
}

void board_count(const char *name, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + (char)(number % 10));
        number /= 10;
    } while (number > 0);
    board_put(name);
    board_put(" ");
    board_put(&digits[at]);
    board_put("\n");
}

/* The part of the stack that is looked at. */
#define PAINTED 32768u

static uint8_t *lowest(void)
{
    uintptr_t here;
#ifdef __riscv
    __asm__ volatile("mv %0, sp" : "=r"(here));
#else
    __asm__ volatile("mov %0, sp" : "=r"(here));
#endif
    return (uint8_t *)(here - 64u);
}

static uint64_t counted;
static uint32_t last;

void board_step(void)
{
    const uint32_t now = ticks();
    counted += instructions_of(last, now);
    last = ticks();
}

void board_measure(void (*run)(void))
{
    uint8_t *const top = lowest();
    for (volatile uint8_t *byte = top - PAINTED; byte < top; byte++) {
        *byte = 0xA5;
    }
    run();
    size_t untouched = 0;
    while (untouched < PAINTED && *(volatile uint8_t *)(top - PAINTED + untouched) == 0xA5) {
        untouched++;
    }
    board_count("stack", PAINTED - untouched);
    counted = 0;
    last = ticks();
    run();
    board_step();
    board_count("instructions", counted);
    board_count("flash", (uint64_t)((uintptr_t)&__flash_end - (uintptr_t)&__flash_start));
}

/* What a compiler may call where there is no library. */
void *memcpy(void *to, const void *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

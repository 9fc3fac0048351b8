// What a Cortex-M does before main: vectors, floating point unit, memory, semihosting. No interrupt is used.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char stack_top[], data_begin[], data_end[], data_stored[], bss_begin[], bss_end[];
extern void initialise_monitor_handles(void);
extern int main(void);

void reset(void)
{
    // Coprocessor Access Control Register: full access to CP10 and CP11, the floating point unit; without one the bits do nothing
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20;
    __asm volatile("dsb\n\tisb");
    memcpy(data_begin, data_stored, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    initialise_monitor_handles();
    exit(main());
}

static void fault(void)
{
    puts("fault");
    exit(1);
}

// initial stack pointer, reset, NMI, hard fault, and the three faults of memory, bus and usage
__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault,
};

void _init(void) {}
void _fini(void) {}

/// Start-up code for QEMU's mps2-an500 with semihosting: vectors, memory, constructors, exit code.

#include <cstdint>

extern "C" {
extern std::uint32_t __stack_top, __data_load, __data_start, __data_end, __bss_start, __bss_end;
using Entry = void (*)();
extern Entry __init_array_start[], __init_array_end[];
/// newlib's standard output over semihosting, where the program prints.
[[gnu::weak]] void initialise_monitor_handles();
void _init() {}
void _fini() {}
int main();

/// Ends QEMU with this exit status (SYS_EXIT_EXTENDED).
[[noreturn]] void exit_with(int code) {
  volatile std::uint32_t block[2] = {0x20026u, static_cast<std::uint32_t>(code)};
  register std::uint32_t r0 asm("r0") = 0x20u;
  register volatile std::uint32_t* r1 asm("r1") = block;
  asm volatile("bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
  for (;;) {
  }
}

void fault() { exit_with(99); }

void Reset_Handler() {
  *reinterpret_cast<volatile std::uint32_t*>(0xE000ED88u) |= 0xFu << 20;  // FPU on, first of all
  asm volatile("dsb\nisb" ::: "memory");
  for (std::uint32_t *from = &__data_load, *to = &__data_start; to < &__data_end;) *to++ = *from++;
  for (std::uint32_t* to = &__bss_start; to < &__bss_end;) *to++ = 0;
  if (initialise_monitor_handles != nullptr) initialise_monitor_handles();
  for (Entry* entry = __init_array_start; entry != __init_array_end; ++entry) (*entry)();
  exit_with(main());
}

__attribute__((section(".vectors"), used))
const Entry vectors[16] = {reinterpret_cast<Entry>(&__stack_top),
                           Reset_Handler,
                           fault,
                           fault,
                           fault,
                           fault,
                           fault,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           fault,
                           fault,
                           nullptr,
                           fault,
                           fault};
}

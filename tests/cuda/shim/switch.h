// Switching between stacks, in a dozen instructions of x86-64 (ucontext takes seven times as long).
#pragma once

#include <cstdint>

#if !defined(__x86_64__)
#error "the shim runs on x86-64"
#endif

// Saves the callee-saved registers on the running stack and its pointer in *from, and goes on where `to` was left.
asm(R"(
.text
.globl gnnctl_switch
.hidden gnnctl_switch
.type gnnctl_switch, @function
gnnctl_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size gnnctl_switch, .-gnnctl_switch
)");
extern "C" __attribute__((visibility("hidden"))) void gnnctl_switch(void** from, void* to);

// A stack that begins in `entry`, which never returns.
inline void* gnnctl_new_stack(char* top, void (*entry)()) {
    auto* slots = reinterpret_cast<std::uintptr_t*>(reinterpret_cast<std::uintptr_t>(top) & ~std::uintptr_t{15});
    *--slots = 0;                                          // where entry would return to
    *--slots = reinterpret_cast<std::uintptr_t>(entry);    // ret takes it: the stack is then as after a call
    for (int i = 0; i < 6; ++i) *--slots = 0;
    return slots;
}

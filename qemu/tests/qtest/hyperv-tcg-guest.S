/*
 * A guest that does what the test tells it to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole firmware of a PC: 64 KiB of ROM at 0xf0000, where the first
 * processor comes from the reset vector and the others by a SIPI with vector
 * 0xf0.  Each takes commands from its mailbox in RAM, executes one instruction
 * with the registers it is given, and leaves them, or the fault, there.
 *
 * Assembled into hyperv-tcg-guest.h by:
 *   cc -m32 -c -o guest.o hyperv-tcg-guest.S
 *   ld -m elf_i386 -Ttext 0xf0000 --oformat binary -o guest.bin guest.o
 *   xxd -i guest.bin
 */

#define MAILBOXES  0x6000       /* 256 bytes a processor, stack at the end */
#define IDT        0x4000
#define MB_OP      0            /* not 0: go; 0: done */
#define MB_EAX     4
#define MB_EBX     8
#define MB_ECX     12
#define MB_EDX     16
#define MB_ESI     20
#define MB_EDI     24
#define MB_FAULT   28           /* vector, or 0, or: */
#define READY      1            /* waiting for the first command */
#define MB_IRQS    32           /* how many interrupts of IRQ_VECTOR */
#define MB_NMIS    36
#define IRQ_VECTOR 0x40
#define APIC       0xfee00000
#define TABLE      0x5000       /* of the four tables of 512 large pages: */
#define PAGES      0x8000
#define WINDOW     0x80000000   /* 1 GiB of any physical address */

        .text
        .code16
start:
        cli
        lgdtl   %cs:(gdt_desc - start)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $protected

        .code32
protected:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $1, %eax
        cpuid
        shrl    $24, %ebx
        shll    $8, %ebx
        leal    MAILBOXES(%ebx), %ebp
        leal    256(%ebp), %esp
        movl    $0, MB_OP(%ebp)

        movb    $0xff, %al      /* no interrupts from the PICs */
        outb    %al, $0x21
        outb    %al, $0xa1
        movl    $0x1ff, APIC + 0xf0

        movl    $IDT + 2 * 8, %edi
        movl    $nmi, %eax
        call    set_gate
        movl    $IDT + 6 * 8, %edi
        movl    $undefined, %eax
        call    set_gate
        movl    $IDT + 13 * 8, %edi
        movl    $protection, %eax
        call    set_gate
        movl    $IDT + IRQ_VECTOR * 8, %edi
        movl    $interrupt, %eax
        call    set_gate
        lidtl   idt_desc
        movl    $READY, MB_FAULT(%ebp)

again:
        leal    256(%ebp), %esp
        sti
wait:
        pause
        movl    MB_OP(%ebp), %eax
        testl   %eax, %eax
        jz      wait

        pushl   operations(, %eax, 4)
        movl    $0, MB_FAULT(%ebp)
        movl    MB_EAX(%ebp), %eax
        movl    MB_EBX(%ebp), %ebx
        movl    MB_ECX(%ebp), %ecx
        movl    MB_EDX(%ebp), %edx
        movl    MB_ESI(%ebp), %esi
        movl    MB_EDI(%ebp), %edi
        call    *(%esp)
        movl    %eax, MB_EAX(%ebp)
        movl    %ebx, MB_EBX(%ebp)
        movl    %ecx, MB_ECX(%ebp)
        movl    %edx, MB_EDX(%ebp)
done:
        movl    $0, MB_OP(%ebp)
        jmp     again

undefined:
        movl    $6, MB_FAULT(%ebp)
        jmp     done
protection:
        movl    $13, MB_FAULT(%ebp)
        jmp     done
interrupt:
        incl    MB_IRQS(%ebp)
        movl    $0, APIC + 0xb0
        iretl

nmi:
        incl    MB_NMIS(%ebp)
        iretl

/* An interrupt gate at %edi to %eax. */
set_gate:
        movw    %ax, (%edi)
        movw    $8, 2(%edi)
        movw    $0x8e00, 4(%edi)
        shrl    $16, %eax
        movw    %ax, 6(%edi)
        ret

op_rdmsr:
        rdmsr
        ret
op_wrmsr:
        wrmsr
        ret
op_cpuid:
        cpuid
        ret
op_vmcall:
        .byte   0x0f, 0x01, 0xc1
        ret
op_store:
        movl    %eax, (%ebx)
        ret

/* Hypercall %eax on what is at %ecx, again and again until there is something at
 * %esi. */
op_calls:
        pushal
        xorl    %ebx, %ebx
        xorl    %edx, %edx
        xorl    %edi, %edi
        xorl    %esi, %esi
        .byte   0x0f, 0x01, 0xc1
        popal
        cmpl    $0, (%esi)
        je      op_calls
        ret

/*
 * Add 1 to the first word of each of %ecx pages from %ebx on, and to %eax, again
 * and again until there is something at %edx.
 */
op_count:
        movl    %ebx, %edi
        movl    %ecx, %esi
1:      incl    (%edi)
        addl    $4096, %edi
        decl    %esi
        jnz     1b
        incl    %eax
        cmpl    $0, (%edx)
        je      op_count
        ret

/*
 * Add 1 at %ebx and to %eax, with %ecx turns of an empty loop before it, again
 * and again until there is something at %edx.
 */
op_tick:
        movl    %ecx, %esi
1:      decl    %esi
        jnz     1b
        incl    (%ebx)
        incl    %eax
        cmpl    $0, (%edx)
        je      op_tick
        ret

/* Load the state of the x87 again and again until there is something at %edx. */
op_load_x87:
        fninit
        subl    $32, %esp
        fnstenv (%esp)
1:      fldenv  (%esp)
        cmpl    $0, (%edx)
        je      1b
        addl    $32, %esp
        ret

/*
 * %ecx times: send an NMI to this processor, and wait until it has come. %ecx
 * is then the number of those that did not.
 */
op_nmis:
1:      movl    MB_NMIS(%ebp), %ebx
        movl    $0x44400, APIC + 0x300
        movl    $1000000, %esi
2:      cmpl    %ebx, MB_NMIS(%ebp)
        jne     3f
        decl    %esi
        jnz     2b
        ret
3:      decl    %ecx
        jnz     1b
        ret

/*
 * Send %ecx packets of %esi bytes, which lie in the ring at %ebx whose data are
 * %edi bytes, on connection %edx: signal only when the ring was empty, as
 * Linux does, and return when the host has taken all.
 */
op_pump:
        pushl   %ebp
        movl    (%ebx), %ebp
1:      leal    (%ebp, %esi), %eax
        cmpl    %edi, %eax
        jb      2f
        xorl    %eax, %eax
2:      pause
        cmpl    %eax, 4(%ebx)
        je      2b
        movl    %eax, (%ebx)
        mfence
        cmpl    %ebp, 4(%ebx)
        movl    %eax, %ebp
        jne     3f
        pushal
        movl    %edx, %ecx
        xorl    %ebx, %ebx
        xorl    %edx, %edx
        movl    $0x1005d, %eax  /* signal event, fast */
        .byte   0x0f, 0x01, 0xc1
        popal
3:      decl    %ecx
        jnz     1b
4:      pause
        cmpl    %ebp, 4(%ebx)
        jne     4b
        popl    %ebp
        ret

/*
 * Write to the first and the last word of %ecx pages, from physical address
 * %edx:%ebx on, what only this page has with the seed in %esi.
 */
op_fill:
        call    window_on
1:      movl    %ebx, %eax
        xorl    %esi, %eax
        movl    %eax, (%edi)
        notl    %eax
        movl    %eax, 4092(%edi)
        incl    %ebx
        addl    $4096, %edi
        loop    1b
        jmp     window_off

/* %eax: in how many of these pages is anything else? */
op_check:
        call    window_on
        xorl    %edx, %edx
1:      movl    %ebx, %eax
        xorl    %esi, %eax
        cmpl    %eax, (%edi)
        jne     2f
        notl    %eax
        cmpl    %eax, 4092(%edi)
        je      3f
2:      incl    %edx
3:      incl    %ebx
        addl    $4096, %edi
        loop    1b
        movl    %edx, %eax
window_off:
        movl    %cr0, %edi
        andl    $0x7fffffff, %edi
        movl    %edi, %cr0
        ret

/*
 * Paging as without it, but for the window. Of the physical page at %edx:%ebx,
 * %ebx becomes the low half of its number and %edi where it is in the window.
 */
window_on:
        xorl    %edi, %edi
        movl    $0x83, %eax     /* present, writable, large */
1:      movl    %eax, PAGES(, %edi, 8)
        movl    $0, PAGES + 4(, %edi, 8)
        addl    $0x200000, %eax
        incl    %edi
        cmpl    $2048, %edi
        jne     1b

        pushl   %edx
        movl    %ebx, %eax
        andl    $0xffe00000, %eax
        orl     $0x83, %eax
        movl    $1024, %edi
1:      movl    %eax, PAGES(, %edi, 8)
        movl    %edx, PAGES + 4(, %edi, 8)
        addl    $0x200000, %eax
        adcl    $0, %edx
        incl    %edi
        cmpl    $1536, %edi
        jne     1b
        popl    %edx

        movl    %ebx, %edi
        andl    $0x1ff000, %edi
        addl    $WINDOW, %edi
        shrdl   $12, %edx, %ebx

        movl    $PAGES + 1, %eax
        movl    %eax, TABLE
        addl    $0x1000, %eax
        movl    %eax, TABLE + 8
        addl    $0x1000, %eax
        movl    %eax, TABLE + 16
        addl    $0x1000, %eax
        movl    %eax, TABLE + 24
        xorl    %eax, %eax
        movl    %eax, TABLE + 4
        movl    %eax, TABLE + 12
        movl    %eax, TABLE + 20
        movl    %eax, TABLE + 28
        movl    $TABLE, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x20, %eax     /* addresses of more than 32 bits */
        movl    %eax, %cr4
        movl    %cr0, %eax
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        ret

        .balign 8
operations:
        .long   0, op_rdmsr, op_wrmsr, op_cpuid, op_vmcall, op_store
        .long   op_fill, op_check, op_pump, op_count, op_tick
        .long   op_load_x87, op_nmis, op_calls
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
gdt_desc:
        .word   . - gdt - 1
        .long   gdt
idt_desc:
        .word   (IRQ_VECTOR + 1) * 8 - 1
        .long   IDT

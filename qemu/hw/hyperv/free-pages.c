/*
 * Free page reporting over Hyper-V's extended hypercalls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing of the guest's is trusted: its ranges may not be memory, may change
 * while they are read, and may cover the whole address space.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/hyperv/free-pages.h"
#include "hw/hyperv/hyperv-proto.h"
#include "qemu/bitops.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "trace.h"

/* Hypercall input and result values; all other bits have to be zero. */
#define CODE_MASK               MAKE_64BIT_MASK(0, 16)
#define REP_COUNT_SHIFT         32
#define REP_START_SHIFT         48
#define REP_LENGTH              12
#define REPS_MASK               (MAKE_64BIT_MASK(REP_COUNT_SHIFT, REP_LENGTH) |\
                                 MAKE_64BIT_MASK(REP_START_SHIFT, REP_LENGTH))

/* Extended capabilities */
#define CAP_COLD_DISCARD        BIT_ULL(8)

/* A hint is this word, then a 64-bit word for each range, all in one page. */
#define HINT_COLD_DISCARD       2ULL
#define HINT_HEAD_SIZE          8
#define HINT_PAGE_SIZE          4096

/*
 * A range: how many units there are after the first in bits 10:0, then 0 and
 * the address of the first in bits 63:12 if they are pages; or 1, whether they
 * are of 1 GiB instead of 2 MiB in bit 12, and the address in bits 63:21.
 */
#define RANGE_ADDITIONAL_LENGTH 11
#define RANGE_LARGE             BIT_ULL(11)
#define RANGE_HUGE              BIT_ULL(12)
#define RANGE_LARGE_RESERVED    MAKE_64BIT_MASK(13, 8)
#define RANGE_LARGE_ADDRESS     MAKE_64BIT_MASK(21, 43)

#define PAGE_SHIFT              12
#define PAGES_END               (1ULL << (64 - PAGE_SHIFT))

/* Passed on at once under the BQL, which the monitor may be waiting for. */
#define PIECE                   (1 * GiB >> PAGE_SHIFT)
/*
 * After so many pages or ranges, a call returns to the guest. A range may have
 * 2 TiB, so a call can end within one.
 */
#define CALL_PAGES              (4 * GiB >> PAGE_SHIFT)
#define CALL_RANGES             64

typedef struct PageRange {
    uint64_t first, count;      /* pages */
} PageRange;

static struct {
    HvFreePagesFunc *func;
    void *opaque;
} handler;                      /* protected by the BQL */

void hyperv_set_free_pages_handler(HvFreePagesFunc *func, void *opaque)
{
    handler.func = func;
    handler.opaque = opaque;
}

/* Parameters must be in RAM. */
static const MemTxAttrs ram_only = { .memory = 1 };

static bool read_guest(uint64_t gpa, uint64_t *words, unsigned n)
{
    unsigned i;

    if (address_space_read(&address_space_memory, gpa, ram_only, words,
                           n * sizeof(*words)) != MEMTX_OK) {
        return false;
    }
    for (i = 0; i < n; i++) {
        words[i] = le64_to_cpu(words[i]);
    }
    return true;
}

/* ---- Capabilities ---- */

static uint64_t capabilities(void)
{
    BQL_LOCK_GUARD();
    return handler.func ? CAP_COLD_DISCARD : 0;
}

static uint16_t query_capabilities(uint64_t input, uint64_t out)
{
    uint64_t caps = cpu_to_le64(capabilities());

    if (input & REPS_MASK) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    if (out % sizeof(caps)) {
        return HV_STATUS_INVALID_ALIGNMENT;
    }
    if (address_space_write(&address_space_memory, out, ram_only, &caps,
                            sizeof(caps)) != MEMTX_OK) {
        return HV_STATUS_INSUFFICIENT_MEMORY;
    }
    return HV_STATUS_SUCCESS;
}

/* ---- The hint ---- */

static unsigned rep_count(uint64_t input)
{
    return extract64(input, REP_COUNT_SHIFT, REP_LENGTH);
}

static unsigned rep_start(uint64_t input)
{
    return extract64(input, REP_START_SHIFT, REP_LENGTH);
}

static bool decode_range(uint64_t word, PageRange *range)
{
    unsigned unit_shift = PAGE_SHIFT;
    uint64_t address = word & ~MAKE_64BIT_MASK(0, PAGE_SHIFT);

    if (word & RANGE_LARGE) {
        unit_shift = word & RANGE_HUGE ? 30 : 21;
        address = word & RANGE_LARGE_ADDRESS;
        if (word & RANGE_LARGE_RESERVED ||
            address & MAKE_64BIT_MASK(0, unit_shift)) {
            return false;
        }
    }
    range->first = address >> PAGE_SHIFT;
    range->count = (extract64(word, 0, RANGE_ADDITIONAL_LENGTH) + 1) <<
        (unit_shift - PAGE_SHIFT);
    return range->first + range->count <= PAGES_END;
}

static void hand_over(PageRange range)
{
    while (range.count) {
        uint64_t piece = MIN(range.count, PIECE);

        BQL_LOCK_GUARD();
        if (!handler.func) {
            return;
        }
        handler.func(handler.opaque, range.first, piece);
        range.first += piece;
        range.count -= piece;
    }
}

/* Check the head of a hint at @gpa with @n ranges. */
static uint16_t check_hint(uint64_t gpa, unsigned n)
{
    uint64_t head;

    if (gpa % sizeof(head)) {
        return HV_STATUS_INVALID_ALIGNMENT;
    }
    if (gpa % HINT_PAGE_SIZE + HINT_HEAD_SIZE + n * sizeof(uint64_t) >
        HINT_PAGE_SIZE) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    if (!read_guest(gpa, &head, 1)) {
        return HV_STATUS_INSUFFICIENT_MEMORY;
    }
    return head == HINT_COLD_DISCARD ? HV_STATUS_SUCCESS
                                     : HV_STATUS_INVALID_PARAMETER;
}

/*
 * Hand over up to @limit pages of the range in @word, from where the last call
 * stopped in it, and return how many there were.
 */
static uint64_t take_range(HvFreePagesProgress *progress, uint64_t word,
                           PageRange range, uint64_t limit)
{
    uint64_t done = word == progress->range ? progress->done : 0;
    uint64_t now = MIN(range.count - done, limit);

    trace_hyperv_free_pages((range.first + done) << PAGE_SHIFT,
                            now << PAGE_SHIFT);
    hand_over((PageRange) { range.first + done, now });
    done += now;
    *progress = (HvFreePagesProgress) { word, done < range.count ? done : 0 };
    return now;
}

/* Take the next ranges; @done: how many were completed. */
static uint16_t take_ranges(HvFreePagesProgress *progress, uint64_t gpa,
                            unsigned n, unsigned *done)
{
    uint64_t words[CALL_RANGES];
    uint64_t left = CALL_PAGES;
    PageRange range;

    *done = 0;
    n = MIN(n, CALL_RANGES);
    /* copied, as the guest could change them between check and use */
    if (!read_guest(gpa, words, n)) {
        return HV_STATUS_INSUFFICIENT_MEMORY;
    }
    while (*done < n && left) {
        if (!decode_range(words[*done], &range)) {
            return HV_STATUS_INVALID_PARAMETER;
        }
        left -= take_range(progress, words[*done], range, left);
        *done += !progress->done;
    }
    return HV_STATUS_SUCCESS;
}

static uint64_t memory_heat_hint(HvFreePagesProgress *progress, uint64_t input,
                                 uint64_t in)
{
    unsigned count = rep_count(input), start = rep_start(input), done = 0;
    uint16_t status;

    if (!capabilities()) {
        return HV_STATUS_INVALID_HYPERCALL_CODE;
    }
    if (start >= count) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    status = check_hint(in, count);
    if (status == HV_STATUS_SUCCESS) {
        status = take_ranges(progress,
                             in + HINT_HEAD_SIZE + start * sizeof(uint64_t),
                             count - start, &done);
    }
    return (uint64_t)(start + done) << REP_COUNT_SHIFT | status;
}

/* ---- Hypercalls ---- */

bool hyperv_is_free_pages_hcall(uint64_t input)
{
    uint16_t code = input & CODE_MASK;

    return code == HV_EXT_CALL_QUERY_CAPABILITIES ||
        code == HV_EXT_CALL_MEMORY_HEAT_HINT;
}

uint64_t hyperv_hcall_free_pages(HvFreePagesProgress *progress, uint64_t input,
                                 uint64_t in, uint64_t out)
{
    /* KVM itself rejects fast calls in this way. */
    if (input & HV_HYPERCALL_FAST) {
        return HV_STATUS_INVALID_PARAMETER;
    }
    if (input & ~(CODE_MASK | REPS_MASK)) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    if ((input & CODE_MASK) == HV_EXT_CALL_QUERY_CAPABILITIES) {
        return query_capabilities(input, out);
    }
    return memory_heat_hint(progress, input, in);
}

bool hyperv_free_pages_unfinished(uint64_t input, uint64_t result,
                                  uint64_t *rest)
{
    if ((uint16_t)result != HV_STATUS_SUCCESS ||
        rep_count(result) >= rep_count(input)) {
        return false;
    }
    *rest = deposit64(input, REP_START_SHIFT, REP_LENGTH, rep_count(result));
    return true;
}

/*
 * Free page reporting over Hyper-V's extended hypercalls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest asks with one hypercall what the hypervisor is capable of, and with
 * the other hints at pages whose contents it has no use for.  They remain the
 * guest's: the host may drop what is in them, the guest then reads anything
 * and writes as ever.  Both accelerators bring the calls here, and only those
 * of a processor that has hv-free-page-reporting.
 */

#ifndef HW_HYPERV_FREE_PAGES_H
#define HW_HYPERV_FREE_PAGES_H

#define HV_EXT_CALL_QUERY_CAPABILITIES 0x8001
#define HV_EXT_CALL_MEMORY_HEAT_HINT   0x8003

/*
 * The guest has no use for what is in @count 4 KiB pages from page @first of
 * its address space on, which need not be memory at all.  BQL held; at most
 * 1 GiB at a time.
 */
typedef void HvFreePagesFunc(void *opaque, uint64_t first, uint64_t count);

/*
 * Who takes the hints; NULL for nobody, and then the guest is told that there
 * is no such capability.  BQL held.
 */
void hyperv_set_free_pages_handler(HvFreePagesFunc *func, void *opaque);

/* True if the call in hypercall input value @input is one of the two. */
bool hyperv_is_free_pages_hcall(uint64_t input);

/*
 * Where a processor is in the range that its last call ended in.  It belongs
 * to the processor's state, is all zero after reset, and may be lost: that
 * range is then done from its start.  Nor does it matter if the guest does not
 * go on and hints at the same range again, much later: the part that was done
 * before is then left out, and a hint may be left out.
 */
typedef struct HvFreePagesProgress {
    uint64_t range;             /* as the guest wrote it */
    uint64_t done;              /* 4 KiB pages of it, never all */
} HvFreePagesProgress;

/*
 * Execute that call.  @in and @out are the guest physical addresses of its
 * parameters and results, @progress is the calling processor's.  Any thread,
 * without the BQL.
 *
 * Returns the hypercall result value: the status in bits 15:0, and in bits
 * 43:32 how many ranges are done.  The work of one call is bounded, so with
 * success these may be fewer than there are, or none: the rest is for a
 * further call that starts with the first that is not done.  Of that one,
 * @progress knows what is done already.
 */
uint64_t hyperv_hcall_free_pages(HvFreePagesProgress *progress, uint64_t input,
                                 uint64_t in, uint64_t out);

/* For an accelerator that can: the input value of that further call. */
bool hyperv_free_pages_unfinished(uint64_t input, uint64_t result,
                                  uint64_t *rest);

#endif

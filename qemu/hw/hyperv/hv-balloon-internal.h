/*
 * Hyper-V Dynamic Memory (hv-balloon): what its files share
 *
 * The engine (dm/engine.h) knows the protocol and what the guest owns; these
 * files connect it to the VMBus, the machine's memory, QMP and the clock.
 * Everything runs with the big QEMU lock held.
 *
 * They call each other downwards only: hv-balloon.c, which owns the device, at
 * the top; below it hv-balloon-qmp.c; then hv-balloon-migrate.c; then
 * hv-balloon-layout.c and hv-balloon-mem.c; then hv-balloon-leave-out.c; then
 * hv-balloon-discard.c; hv-balloon-text.c and hv-balloon-base.c at the bottom.
 * Calls upwards go through tables of functions: DmEngineOps, HaprotProtocol,
 * MemoryDeviceClass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_HV_BALLOON_INTERNAL_H
#define HW_HYPERV_HV_BALLOON_INTERNAL_H

#include "hw/hyperv/dm/discard.h"
#include "hw/hyperv/dm/engine.h"
#include "hw/hyperv/free-pages.h"
#include "hw/hyperv/hv-balloon.h"
#include "hw/hyperv/vmbus.h"
#include "hw/mem/haprot.h"
#include "qapi/qapi-types-hv-balloon.h"
#include "qemu/timer.h"

#define TYPE_HV_BALLOON_SYSTEM_RESET "hv-balloon-system-reset"
OBJECT_DECLARE_SIMPLE_TYPE(HvBalloonSystemReset, HV_BALLOON_SYSTEM_RESET)

/* The number of the stick that memdev= makes; mem-haprot ones come after. */
#define HV_BALLOON_BUILTIN_STICK 0
/* In how many pieces the guest can release boot memory, at most. */
#define HV_BALLOON_WINDOWS 3

/* hv-balloon-migrate.c */
typedef struct HvBalloonMigration HvBalloonMigration;
/* hv-balloon-leave-out.c */
typedef struct HvBalloonLeaveOut HvBalloonLeaveOut;

/*
 * The kernel that last opened the channel, to distinguish a new kernel from a
 * driver that was reloaded.
 */
typedef struct HvBalloonKernel {
    bool known;                 /* since the last system reset */
    bool bus_was_reset;         /* since it opened the channel */
    uint64_t guest_os_id;       /* when it did ... */
    uint64_t hypercall_page;    /* ... and where its page was */
} HvBalloonKernel;

/* The last status report of the guest. */
typedef struct HvBalloonReport {
    bool valid;                 /* since the last system reset */
    uint64_t available;         /* bytes */
    uint64_t committed;         /* bytes */
    int64_t when_s;             /* of the Unix epoch, 0: never */
} HvBalloonReport;

struct HvBalloon {
    VMBusDevice parent_obj;

    /* properties */
    HvBalloonProfile profile;
    bool status_report;
    HostMemoryBackend *memdev;
    uint64_t addr;

    DmEngine *engine;
    DmState traced;             /* the state in the last trace event */
    QEMUBH *bh;
    QEMUTimer *timer;
    QEMUTimer *pause;           /* pending: the engine runs when it is over */
    uint64_t worked_ns;         /* by the engine, since the last pause */
    HvBalloonMigration *migration;
    HvBalloonLeaveOut *leave_out;
    HvBalloonSystemReset *system_reset;

    /* the channel to the guest's driver, NULL while it is closed */
    VMBusChannel *chan;
    bool send_failed;           /* until the channel is opened again */
    bool held;                  /* messages wait until the engine has run */
    HvBalloonKernel kernel;

    HaprotProtocol haprot;
    GHashTable *sticks;         /* number -> MemHaprot */
    unsigned next_stick;
    bool arriving;              /* by a stream, which named these sticks */

    /* released memory, in bytes */
    uint64_t discarded;         /* given back to the host */
    uint64_t discard_inhibited; /* not given back: someone relies on it */
    uint64_t discard_failed;    /* not given back: the host refused */
    uint64_t discard_again;     /* next try after a failure, in ms */
    uint64_t reported;          /* bytes reported as free, see free-pages.h */

    HvBalloonReport report;
    int64_t stats_interval_s;   /* guest-stats-polling-interval, 0: off */
    HvBalloonReport stats;      /* the report that guest-stats shows */
    uint64_t stats_ms;          /* when it arrived, by hv_balloon_now() */
};

/* hv-balloon-base.c: clock, kick, kernel identity */

/* ms of guest time */
uint64_t hv_balloon_now(void);
/* False while the VM is stopped: neither its memory nor its state may change,
 * as they may be on their way to another host. */
bool hv_balloon_may_run(void);
/* Something has changed: run the engine soon. */
void hv_balloon_kick(HvBalloon *balloon);
/*
 * Has another kernel been started since the channel was last opened, without a
 * system reset?
 */
bool hv_balloon_kernel_is_new(const HvBalloon *balloon);
/* When the channel opens: from now on this kernel is not new. */
void hv_balloon_kernel_remember(HvBalloon *balloon);
/* On a system reset: whichever kernel comes next is not new. */
void hv_balloon_kernel_forget(HvBalloon *balloon);
void hv_balloon_kernel_doubt(HvBalloon *balloon);
/* NULL for the stick that memdev= makes. */
MemHaprot *hv_balloon_stick(HvBalloon *balloon, unsigned number);

/* hv-balloon-text.c: the engine's facts in words */

/* Of @pages; UINT64_MAX if that does not fit, for a guest may claim as much. */
uint64_t hv_balloon_bytes(uint64_t pages);
/* Why the engine refused to plug or unplug the stick at @range. */
void hv_balloon_set_error(Error **errp, DmError code, DmRange range);
/* Why the target is not met, or NULL. Free with g_free(). */
char *hv_balloon_problem_text(const DmProblem *problem);
/* Log a violation of the protocol by the guest. */
void hv_balloon_warn(DmWarning warning);

/* hv-balloon-mem.c: boot memory, sticks, the memory device */

bool hv_balloon_mem_realize(HvBalloon *balloon, const DmEngineOps *ops,
                            Error **errp);
void hv_balloon_mem_unrealize(HvBalloon *balloon);
/* The boot memory that the guest may release. How many windows? */
unsigned hv_balloon_boot_windows(DmRange windows[HV_BALLOON_WINDOWS]);
/*
 * The engine's state was loaded: populate what the guest has of sticks. False
 * if a listener refuses some of it; it is populated nevertheless.
 */
bool hv_balloon_populate_as_loaded(HvBalloon *balloon);
/* Another kernel has been started without a system reset. Ditto. */
bool hv_balloon_populate_for_new_kernel(HvBalloon *balloon);
/* What the guest was never given of sticks is to be discarded: false if that
 * has to wait. */
bool hv_balloon_discard_never_given(HvBalloon *balloon);
/* Bytes of sticks that are not populated, so not sent. */
uint64_t hv_balloon_unpopulated(HvBalloon *balloon);
void hv_balloon_mem_class_init(ObjectClass *oc);

/* hv-balloon-migrate.c: the sections of the stream, and what is not sent */

extern const VMStateDescription vmstate_hv_balloon;
void hv_balloon_migrate_start(HvBalloon *balloon);
void hv_balloon_migrate_stop(HvBalloon *balloon);
/* What is due after a migration. Call it before dm_engine_run(). */
void hv_balloon_before_run(HvBalloon *balloon);
/* Another kernel has opened the channel, without a system reset. */
void hv_balloon_kernel_came(HvBalloon *balloon);
/* A snapshot is about to be loaded. Tells nobody. */
void hv_balloon_forget(HvBalloon *balloon);

/* Before the guest runs, or is reset: true if a snapshot had been refused. */
bool hv_balloon_settle(HvBalloon *balloon);

/* hv-balloon-leave-out.c: what a migration does not send */

void hv_balloon_leave_out_start(HvBalloon *balloon);
void hv_balloon_leave_out_stop(HvBalloon *balloon);
/* A migration begins, or a save, without @granules, in bytes, of sticks. */
void hv_balloon_leave_out_begin(HvBalloon *balloon, uint64_t granules);
/*
 * The guest has none of @range, which is about to be discarded: a migration
 * that runs does not read it, which would populate it again. If it sends just
 * then, it leaves @range out before it goes on, and what it has read by then is
 * discarded once more.
 */
void hv_balloon_leave_out(HvBalloon *balloon, DmRange range);
/* A stick was unplugged from @range. */
void hv_balloon_leave_out_gone(HvBalloon *balloon, DmRange range);
/* True if that is still to be done: call it again soon. */
bool hv_balloon_leave_out_before_run(HvBalloon *balloon);
/* Bytes that the last migration from here left out. */
uint64_t hv_balloon_not_sent(const HvBalloon *balloon);

/* hv-balloon-discard.c: giving released memory to the host */

/* Calls @func for each piece of @range that has something, until it is false. */
typedef bool HvBalloonSectionFunc(const MemoryRegionSection *s, void *opaque);
void hv_balloon_each_section(DmRange range, HvBalloonSectionFunc *func,
                             void *opaque);

/* Does the guest see RAM there that the host can discard? */
bool hv_balloon_section_is_memory(const MemoryRegionSection *s);

/*
 * A migration relies on what the guest has now: nothing is given to it,
 * populated or discarded before that has ended.
 */
bool hv_balloon_memory_is_held(void);

/*
 * @range is about to be given to the guest: false if a listener that maps the
 * guest's memory refuses, or the host has no huge page for it.
 */
bool hv_balloon_populate(DmRange range);
/* The guest has it already: then it is populated nevertheless. */
bool hv_balloon_populate_anyway(DmRange range);
/*
 * The guest does not need the contents of @range. With @released it has
 * released the pages, and the engine knows that; without, it may use them
 * again at any time.
 */
void hv_balloon_discard(HvBalloon *balloon, DmRange range, bool released);
/* The guest keeps these pages, but does not need their contents. */
HvFreePagesFunc hv_balloon_free_pages_reported;

/* hv-balloon-qmp.c: events, queries, guest-stats */

void hv_balloon_stick_event(HvBalloon *balloon, unsigned number,
                            DmStickState state);
void hv_balloon_report_received(HvBalloon *balloon, const DmStatus *status);
void hv_balloon_report_reset(HvBalloon *balloon);
void hv_balloon_qmp_init(Object *obj);

#endif

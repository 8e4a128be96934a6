/*
 * Hyper-V Dynamic Memory (hv-balloon): what its files share
 *
 * The engine (dm/engine.h) knows the protocol and what the guest owns; these
 * files connect it to the VMBus, the machine's memory, QMP and the clock.
 * Everything runs with the big QEMU lock held.
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

/* What was last heard from the guest about its memory. */
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
    DmState traced;             /* the state that the last trace event told */
    QEMUBH *bh;
    QEMUTimer *timer;
    Error *migration_blocker;
    HvBalloonSystemReset *system_reset;

    /* the channel to the guest's driver, NULL while it is closed */
    VMBusChannel *chan;
    bool send_failed;           /* until the channel is opened again */

    /* tells a new kernel from a driver that was loaded again */
    bool was_open;              /* since the last system reset */
    bool bus_was_reset;         /* since the channel was last open */
    uint64_t guest_os_id;       /* when it was last open */
    uint64_t hypercall_page;

    HaprotProtocol haprot;
    GHashTable *sticks;         /* number -> MemHaprot */
    unsigned next_stick;

    /* released memory, in bytes */
    uint64_t discarded;         /* given back to the host */
    uint64_t discard_inhibited; /* not given back: someone relies on it */
    uint64_t discard_failed;    /* not given back: the host would not */
    uint64_t discard_again;     /* ms; after a failure not before */
    uint64_t reported;          /* bytes reported as free, see free-pages.h */

    HvBalloonReport report;
    int64_t stats_interval_s;   /* guest-stats-polling-interval, 0: off */
    HvBalloonReport stats;      /* the report that guest-stats shows */
    uint64_t stats_ms;          /* when that arrived, by hv_balloon_now() */
};

/* hv-balloon.c */

/* The only one, or NULL. */
HvBalloon *hv_balloon_find(void);
uint64_t hv_balloon_now(void);
/*
 * Has the guest announced itself in another way since its driver last opened
 * the channel, without a system reset? Then another kernel runs, or is about
 * to.
 */
bool hv_balloon_kernel_is_new(const HvBalloon *balloon);
/* Something has changed: let the engine do what is due. */
void hv_balloon_kick(HvBalloon *balloon);

/* hv-balloon-mem.c: boot memory, sticks, the memory device */

bool hv_balloon_mem_realize(HvBalloon *balloon, const DmEngineOps *ops,
                            Error **errp);
void hv_balloon_mem_unrealize(HvBalloon *balloon);
/* After a system reset: no guest has memory of a stick. */
void hv_balloon_mem_reset(HvBalloon *balloon);
void hv_balloon_mem_class_init(ObjectClass *oc);
/* NULL for the stick that memdev= makes. */
MemHaprot *hv_balloon_stick(HvBalloon *balloon, unsigned number);

/* hv-balloon-discard.c: released memory goes back to the host */

/*
 * @range is about to be given to the guest: false if someone who maps the
 * guest's memory cannot have that.
 */
bool hv_balloon_populate(DmRange range);
/*
 * The guest does not need what is in @range: it does not have it, which is in
 * the engine's books too, if @released; else it may use it at any time again.
 */
void hv_balloon_discard(HvBalloon *balloon, DmRange range, bool released);
/* The guest keeps these pages, and does not need what is in them. */
HvFreePagesFunc hv_balloon_free_pages_reported;

/* hv-balloon-qmp.c: events, queries, guest-stats */

void hv_balloon_stick_event(HvBalloon *balloon, unsigned number,
                            DmStickState state);
void hv_balloon_report_received(HvBalloon *balloon, const DmStatus *status);
void hv_balloon_report_reset(HvBalloon *balloon);
void hv_balloon_qmp_init(Object *obj);

#endif

/*
 * hv-balloon stubs for builds without VMBus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"

HvBalloonStatus *qmp_query_hv_balloon(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
              "hv-balloon is not supported in this build");
    return NULL;
}

HvBalloonInfo *qmp_query_hv_balloon_status_report(Error **errp)
{
    error_setg(errp, "hv-balloon is not supported in this build");
    return NULL;
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# A system bus with libvirt-dbus on it. Sourced.
# shellcheck shell=bash

# It would run as a user of its own, to whom polkit grants what it may do. The private daemon does without polkit, and lets root alone in.
cat >/etc/dbus-1/system.d/hvb-test.conf <<'CONF'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy user="root"><allow own="org.libvirt"/></policy></busconfig>
CONF
mkdir -p /run/dbus
dbus-uuidgen --ensure
dbus-daemon --system --fork
libvirt-dbus --system >&2 &
gdbus wait --system --timeout 60 org.libvirt

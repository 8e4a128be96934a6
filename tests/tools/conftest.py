# SPDX-License-Identifier: LGPL-2.1-or-later
"""For all tests of the tools."""

import signal

# A shell starts what runs in its background with SIGINT ignored, and programs inherit that: one that a test interrupts would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)

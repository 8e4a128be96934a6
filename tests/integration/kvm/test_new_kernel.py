# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another kernel without a reset, on a real KVM, whose SynIC still has the pages of the old kernel: all that test_kexec.py tests under TCG."""

import pytest

pytest.register_assert_rewrite("test_kexec")
# pylint: disable=wrong-import-position
from test_kexec import *  # noqa: E402,F401,F403  pylint: disable=wildcard-import,unused-wildcard-import

pytestmark = pytest.mark.long

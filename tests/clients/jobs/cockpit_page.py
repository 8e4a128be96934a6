# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cockpit's page of a guest in a browser without a screen: its memory dialog. Runs in the machine; tests/clients/jobs/cockpit starts it."""

import json
import sys
import time
import urllib.parse
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.ui import WebDriverWait

LIMIT = 300         # seconds, on a busy machine
PICTURES = "/mnt/shared/pictures"
DIALOG = "#vm-memory-modal"
SWITCHES = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1000", "--user-data-dir=/tmp/chromium"]


def wait_for_server(port):
    """Until somebody listens there."""
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=10).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Page:
    """The page of one guest."""

    def __init__(self, port, name, pictures):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for switch in SWITCHES:
            options.add_argument(switch)
        self.pictures = pictures
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(LIMIT)
        # the package's own page, without the frame that Cockpit has around it
        guest = urllib.parse.urlencode({"name": name, "connection": "system"})
        self.driver.get(f"http://127.0.0.1:{port}/cockpit/@localhost/machines/index.html#/vm?{guest}")

    def wait(self, css, condition=expect.visibility_of_element_located):
        return WebDriverWait(self.driver, LIMIT).until(condition((By.CSS_SELECTOR, css)), f"no {css}")

    def picture(self, what):
        self.driver.save_screenshot(f"{self.pictures}-{what}.png")

    def open_dialog(self):
        """Cockpit says first if the host has no KVM."""
        ignore, edit = "#ignore-hw-virtualization-disabled-btn", '[id$="-memory-count"] button'
        found = self.wait(f"{ignore}, {edit}")
        if found.get_attribute("id") == ignore[1:]:
            found.click()
        self.wait(edit, expect.element_to_be_clickable).click()
        self.wait(DIALOG)

    def field(self, which):
        return self.wait(f'{DIALOG} input[id$="-memory-modal-{which}"]')

    def shown(self):
        """What the dialog shows, in MiB; and how far the first slider reaches."""
        slider = self.wait(f'{DIALOG} [id$="-memory-modal-memory-slider"] [role=slider], {DIALOG} .memory-slider [role=slider]')
        return {"current": int(self.field("memory").get_attribute("value")), "maximum": int(self.field("max-memory").get_attribute("value")),
                "reach": int(float(slider.get_attribute("aria-valuemax"))), "maximum_enabled": self.field("max-memory").is_enabled()}

    def enter(self, which, mib):
        """As somebody types it, and leaves the field."""
        field = self.field(which)
        field.click()
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(str(mib), Keys.TAB)

    def save(self):
        """Until the dialog is gone; what it complains of is raised."""
        self.wait(f'{DIALOG} [id$="-memory-modal-save"]', expect.element_to_be_clickable).click()

        def gone_or_error(driver):
            if not driver.find_elements(By.CSS_SELECTOR, DIALOG):
                return True
            errors = [each.text for each in driver.find_elements(By.CSS_SELECTOR, f'{DIALOG} [class*="-c-alert"]') if each.text]
            if errors:
                raise RuntimeError(f"Cockpit says: {errors[0]}")
            return False

        WebDriverWait(self.driver, LIMIT).until(gone_or_error, "the dialog stays")


def main(port, name, maximum, current):
    wait_for_server(port)
    page = Page(port, name, f"{PICTURES}/cockpit-{name}-{current}")
    try:
        page.open_dialog()
        before = page.shown()
        page.picture("1-dialog")
        if maximum != "-":
            page.enter("max-memory", maximum)
        page.enter("memory", current)
        page.picture("2-entered")
        page.save()
        page.picture("3-saved")
    except BaseException:
        page.picture("failed")
        raise
    finally:
        page.driver.quit()
    print(json.dumps(before))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Rehearses deployments: `./herald` with separate stages on a separate emulator.

a72f9b6.tar.xz has the Terraform configuration and the functions of commit a72f9b6. The upgrade test
first deploys that release, and the archive makes this possible in a checkout without history. It is
the output of `git archive a72f9b6` for infra, app, chalicelib, migrations/versions and
requirements/runtime.txt, without Terraform's tests.
"""

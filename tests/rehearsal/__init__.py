"""The deployment rehearsed: `./herald` on stages of its own, on an emulator of its own.

a72f9b6.tar.xz has the Terraform configuration and the functions of commit a72f9b6, so that an
upgrade begins with what that release deployed, also in a checkout without history. It is the output
of `git archive a72f9b6` for infra, app, chalicelib, migrations/versions and
requirements/runtime.txt, without Terraform's tests.
"""

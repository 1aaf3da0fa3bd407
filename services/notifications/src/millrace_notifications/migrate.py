"""Upgrades the database to the newest schema revision."""

from pathlib import Path

from millrace_platform.migrations import Migrations

migrate = Migrations(Path(__file__).with_name("migrations"), lock_key=0x6D696C6C_6E6F7469).apply  # "millnoti"

"""What holds, appointments, the waitlist and calendar feeds have in common, and how they are wired."""

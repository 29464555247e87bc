"""What the test suites that packages ship need besides themselves: settings, and what they left out."""

"""What the packages' own test suites need besides themselves: settings, and what was left out."""

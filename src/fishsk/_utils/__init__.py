"""What every room may use: `axes`, `files`, `process`, `progress`, `stamp`."""

"""The parts of Jira's responses that Rollcall looks at, and nothing else: no text that people wrote is decoded."""

"""The company behind the site: people, their days, projects, groups, and the directory."""

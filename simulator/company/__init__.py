"""The company behind the site: people, their days, projects and groups."""

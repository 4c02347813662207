"""Who there is at a site: users, product access, seats and roles, as one snapshot that is seen whole or not at all."""

"""The gateway on one machine: embedded servers, the services, and what holds them together."""

"""How frames travel between routers: plans and liveness, sans I/O."""

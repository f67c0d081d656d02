"""The processes behind the pool: a supervising thread, a zygote, and the workers it forks."""

//! Which endpoint, and may it be used: health, policies, admission, budgets and the life of a request, without I/O.

"""The projection engine: it compiles the rules of read models to SQL, catches them up, rebuilds and verifies them."""

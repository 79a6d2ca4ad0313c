from of_module import connection, other, superuser, urls

__all__ = ["connection", "other", "superuser", "urls"]

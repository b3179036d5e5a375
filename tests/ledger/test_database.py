from sqlalchemy import Connection, text
def test_x(connection: Connection) -> None:
    print(connection.execute(text("select current_user, session_user")).one())
def test_y(connection: Connection) -> None:
    assert connection.execute(text("select current_user")).scalar() == 'chargeback_app'

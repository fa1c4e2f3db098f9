import time, psycopg
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import *
from projections.replay import replay
from projections.audit import verify
from projections.explain import explain
from projections.export import hledger
from projections.log import walk
from projections.balances import balances, trial_balance
from projections.statements import statement
from datetime import timedelta
def test_perf(database):
    h=StoredHouse(database)
    cs=[h.register(i) for i in range(300)]
    for i in range(15000):
        h.now += timedelta(seconds=60)
        h.deposit(i+1,cs[i%300],100000+i,"EUR","USD" if i%3 else "EUR")
    h.write()
    n=len(h.book.rows)
    def t(name,f,k=n):
        a=time.perf_counter(); r=f(); a=time.perf_counter()-a; print(f"{name}: {a*1000:.1f} ms {k/a:.0f}/s"); return r
    print()
    t("fold",lambda: h.runner().catch_up())
    r=t("replay",lambda: replay(database.dsn("projector"),VOCABULARY)); assert r.equal
    with psycopg.connect(database.dsn("audit_reader"),autocommit=True) as c:
        assert t("verify",lambda: verify(c,VOCABULARY,ENTITY)).held
        t("export",lambda: sum(len(x) for p in walk(c,VOCABULARY) for x in hledger(p)))
        mid=START+timedelta(days=5)
        for kw in ({}, {"at":mid},{"known_at":mid},{"at":mid,"known_at":mid}):
            t(f"balances {list(kw)}",lambda: balances(c,limit=1000,**kw))
            t(f"trial {list(kw)}",lambda: trial_balance(c,**kw))
            t(f"client {list(kw)}",lambda: balances(c,client=cs[3],**kw))
        t("statement", lambda: statement(c,f"acme-cy:client:wallet:{cs[3]}","USD",START,mid))
        t("statement clearing", lambda: statement(c,CLEARING,"EUR",START,mid,limit=1000))
        t("explain", lambda: explain(c,VOCABULARY,CLEARING,"EUR"))

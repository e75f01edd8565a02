BEGIN TRANSACTION;
CREATE TABLE annotation_history (
    annotator TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    item TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('current', 'changed', 'deleted')),
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    source TEXT NOT NULL REFERENCES contents (hash),
    PRIMARY KEY (annotator, unique_id, hash)
) STRICT;
INSERT INTO "annotation_history" VALUES('anna','u1','h1','t1','current','2026-11-22T02:49:18.227812+00:00','2026-11-22T02:49:18.227812+00:00','4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945');
INSERT INTO "annotation_history" VALUES('anna','u2','h2','t2','current','2026-11-22T02:49:18.227812+00:00','2026-11-22T02:49:18.227812+00:00','4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945');
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,'2026-11-22T02:49:18.229221+00:00','collect','anna','1 new');
CREATE TABLE comments (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    item TEXT NOT NULL,
    control TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
INSERT INTO "comments" VALUES(1,'anna','t1','comment','fine');
CREATE TABLE contents (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
INSERT INTO "contents" VALUES('4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945',2,X'789C8B8E0500011500B9');
CREATE TABLE export_instances (
    export INTEGER PRIMARY KEY REFERENCES exports (id),
    instance INTEGER NOT NULL REFERENCES exports (id)
) STRICT;
INSERT INTO "export_instances" VALUES(1,1);
CREATE TABLE exports (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    hash TEXT NOT NULL REFERENCES contents (hash),
    stored_at TEXT NOT NULL,
    fingerprint TEXT NOT NULL
) STRICT;
INSERT INTO "exports" VALUES(1,'anna','4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945','2026-11-22T02:49:18.227812+00:00','f');
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    item TEXT,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    annotation TEXT
) STRICT;
INSERT INTO "findings" VALUES(1,'anna','t2','skipped','the annotator skipped it.','u2');
CREATE TABLE instances (
    annotator TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    runtime TEXT NOT NULL,
    target TEXT NOT NULL,
    directory TEXT NOT NULL,
    port INTEGER NOT NULL,
    version TEXT NOT NULL,
    image TEXT,
    handle TEXT,
    spec_hash TEXT,
    url TEXT,
    annotator_email TEXT,
    project_id INTEGER,
    project_hash TEXT,
    tasks_hash TEXT
) STRICT;
INSERT INTO "instances" VALUES('anna','annotator-ops-x-anna','process','running','/srv/study/.ops/instances/anna',9001,'1.23.2',NULL,NULL,NULL,NULL,NULL,7,NULL,NULL);
CREATE TABLE judge_failures (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    reply BLOB,
    attempts INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "judge_failures" VALUES(1,'k2','timeout','The endpoint of strict did not answer in 60 s.',NULL,5,'2026-11-28T14:16:05.208186+00:00');
CREATE TABLE judge_questions (
    judge TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    item TEXT NOT NULL,
    ord TEXT NOT NULL,
    sample INTEGER NOT NULL,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    PRIMARY KEY (judge, model, prompt, item, ord, sample)
) STRICT;
INSERT INTO "judge_questions" VALUES('strict','m','abcdef0123','t1','',0,'k1');
INSERT INTO "judge_questions" VALUES('strict','m','abcdef0123','t2','',0,'k2');
CREATE TABLE judge_requests (
    key TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
INSERT INTO "judge_requests" VALUES('k1','http://localhost:11434/v1',X'789CAB56CACD4F49CD51B25250CA55D20112A9C5C589E9A9C54081E86AA5A2FC9C54905469716A114836393FAF2435AF04245462A8541B5B0B006AE1136C');
INSERT INTO "judge_requests" VALUES('k2','http://localhost:11434/v1',X'789CAB56CACD4F49CD51B25250CA55D20112A9C5C589E9A9C54081E86AA5A2FC9C54905469716A114836393FAF2435AF04245462A4541B5B0B006AE6136D');
CREATE TABLE judgements (
    key TEXT PRIMARY KEY REFERENCES judge_requests (key),
    reply BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    seconds REAL NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "judgements" VALUES('k1',X'789C458DB10E83400C437F0565EE44874AFD15A8D0E9142002922B094375CABF372CB0D97E965D21CF421915DE4D576143D53461980A59D8902D34D41EBE475AC97E7DD8D6C11F0D8CC4A4F3B06352E1B3A52605FC13E8B846CA2E5BB1C164413E3F5E4173442B1A09DFF9D3FD0FC0392F0D',2,7,3,1.5,'2026-11-28T14:16:05.207608+00:00');
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
INSERT INTO "meta" VALUES('exposed_url','https://study.example.org');
CREATE TABLE ratings (
    annotator TEXT NOT NULL,
    item TEXT NOT NULL,
    criterion TEXT NOT NULL,
    value TEXT,
    reason TEXT,
    created_at TEXT,
    seconds REAL,
    source TEXT NOT NULL,
    PRIMARY KEY (annotator, item, criterion),
    CHECK ((value IS NULL) = (reason IS NOT NULL))
) STRICT;
INSERT INTO "ratings" VALUES('anna','t1','quality','3.0',NULL,'2026-01-31T00:00:00+00:00',2.5,'4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945');
INSERT INTO "ratings" VALUES('anna','t2','quality',NULL,'skipped','2026-01-31T00:00:00+00:00',NULL,'4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945');
CREATE TABLE readings (
    annotator TEXT PRIMARY KEY,
    export INTEGER NOT NULL REFERENCES exports (id),
    reading TEXT NOT NULL,
    done INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    drafts INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;
INSERT INTO "readings" VALUES('anna',1,'r',1,1,0,2);
CREATE INDEX exports_of ON exports (annotator, id);
CREATE INDEX judge_failures_of ON judge_failures (key, id);
COMMIT;
PRAGMA user_version = 3;

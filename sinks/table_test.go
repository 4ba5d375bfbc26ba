package sinks

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/stream"
)

// TestRecordForm pins the stored form: what was ever written must stay readable.
func TestRecordForm(t *testing.T) {
	id, err := ledger.ParseProfileID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil {
		t.Fatal(err)
	}
	attempt := ID(id)
	at := StampOf(time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC))
	rec := Record{Key: Key{"mokaru", id, "profile"}, Class: ClassA, Phase: Parked, Since: at, Rev: 3, Epoch: 2, Owner: attempt, LeaseUntil: at.Add(time.Second), BoundSeq: 4,
		WantSeq: 9, WantAt: at, FromSeq: 5, ToSeq: 9, Mapping: 1, Attempt: attempt, Attempts: 1, FirstAt: at, SentAt: at, SentHash: 0xab, SentEcho: 1,
		Fields: NamesOf("phone", "email"), Ref: "ref", AckedHash: 2, AckedSeq: 4, AckedAt: at, EchoHash: 3, EchoAt: at, Verify: ReadBack, NotBefore: at, SettleUntil: at,
		Last: &Fault{HTTP: 400, Type: "validation", Message: "Mokaru refuses phone", Sent: SentYes, At: at}, Park: &Park{ID: attempt, Reason: "r", Code: ParkRefused, Since: at}}
	row := Row{At: at, Event: Refuse, From: InFlight, To: Parked, End: ParkedEnd, FromSeq: 5, ToSeq: 9, Attempt: attempt, Fault: rec.Last}
	got, err := json.Marshal(change{Lane: &rec, Row: &row})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"lane":{"sink":"mokaru","profile":"01ARZ3NDEKTSV4RRFFQ69G5FAV","entity":"profile","class":"A","phase":"PARKED","since":"2026-03-01T12:00:00.005Z","rev":3,"epoch":2,` +
		`"owner":"01ARZ3NDEKTSV4RRFFQ69G5FAV","lease_until":"2026-03-01T12:00:01.005Z","bound_seq":4,"want_seq":9,"want_at":"2026-03-01T12:00:00.005Z","from_seq":5,"to_seq":9,` +
		`"mapping_v":1,"attempt_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","attempt":1,"first_at":"2026-03-01T12:00:00.005Z","sent_at":"2026-03-01T12:00:00.005Z",` +
		`"sent_hash":"xxh64:00000000000000ab","sent_echo":"xxh64:0000000000000001","fields":"email,phone","provider_ref":"ref","acked_hash":"xxh64:0000000000000002","acked_seq":4,` +
		`"acked_at":"2026-03-01T12:00:00.005Z","echo_hash":"xxh64:0000000000000003","echo_at":"2026-03-01T12:00:00.005Z","verify":"read_back","not_before":"2026-03-01T12:00:00.005Z",` +
		`"settle_until":"2026-03-01T12:00:00.005Z","last":{"http":400,"type":"validation","message":"Mokaru refuses phone","sent":"yes","at":"2026-03-01T12:00:00.005Z"},` +
		`"park":{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","reason":"r","code":"refused","since":"2026-03-01T12:00:00.005Z"}},"row":{"at":"2026-03-01T12:00:00.005Z","event":"refuse",` +
		`"from":"INFLIGHT","to":"PARKED","end":"parked","from_seq":5,"to_seq":9,"attempt_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV",` +
		`"fault":{"http":400,"type":"validation","message":"Mokaru refuses phone","sent":"yes","at":"2026-03-01T12:00:00.005Z"}}}`
	if string(got) != want {
		t.Errorf("the stored form is\n%s\nwant\n%s", got, want)
	}
	var back change
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(*back.Lane, rec) || !reflect.DeepEqual(*back.Row, row) {
		t.Errorf("read back: %v\n%+v\n%+v", err, back.Lane, back.Row)
	}
	for _, bad := range []string{`{"lane":{"phase":"NOWHERE"}}`, `{"lane":{"sent_hash":"xxh64:ab"}}`, `{"lane":{"sent_hash":"00000000000000ab0000"}}`, `{"row":{"event":"x"}}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestDetailForm pins the stored form of what only some lanes have. A record from before
// there was "anew" was never made anew.
func TestDetailForm(t *testing.T) {
	id, err := ledger.ParseProfileID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil {
		t.Fatal(err)
	}
	at, names := StampOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), NamesOf("7")
	rec := Record{Key: Key{"shop", id, "notes/a"}, Class: ClassC, Detail: &Detail{Steps: []StepDone{{Name: "s", Result: []byte{1}, Attempt: ID(id)}}, Baseline: &names, Task: "t",
		Unsure: true, Reads: 1, ReadAt: at, Seen: 2, Plan: ID(id), Pin: 3, Pinned: 4, Learn: true, Stirred: true, Anew: 5}}
	const before = `{"sink":"shop","profile":"01ARZ3NDEKTSV4RRFFQ69G5FAV","entity":"notes/a","class":"C","phase":"IDLE","rev":0,"bound_seq":0,"want_seq":0,"acked_seq":0,"verify":"none",` +
		`"steps":[{"k":"s","out":"AQ==","attempt_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}],"baseline":"7","task":"t","unsure":true,"resolve_reads":1,"resolve_read_at":"2026-03-01T12:00:00.000Z",` +
		`"resolve_seen":2,"plan":"01ARZ3NDEKTSV4RRFFQ69G5FAV","pin":3,"pinned":4,"learn":true,"stirred":true`
	for _, c := range []struct {
		form string
		anew int
	}{{before + `,"anew":5}`, 5}, {before + `}`, 0}} {
		rec.Detail.Anew = c.anew
		if got, err := json.Marshal(rec); err != nil || string(got) != c.form {
			t.Errorf("%v: the stored form is\n%s\nwant\n%s", err, got, c.form)
		}
		var back Record
		if err := json.Unmarshal([]byte(c.form), &back); err != nil || !reflect.DeepEqual(back, rec) {
			t.Errorf("read back: %v\n%+v\n%+v", err, back.More(), rec.More())
		}
	}
}

func TestWordsRoundTrip(t *testing.T) {
	for _, e := range Events() {
		b, err := e.MarshalText()
		var back Event
		if err != nil || back.UnmarshalText(b) != nil || back != e {
			t.Errorf("%s", b)
		}
	}
	for e := Open; e < ends; e++ {
		b, err := e.MarshalText()
		var back End
		if err != nil || back.UnmarshalText(b) != nil || back != e {
			t.Errorf("%s", b)
		}
	}
}

// TestCompaction rewrites a stream of many transitions: what is read from what is left
// is the same, and it is much shorter.
func TestCompaction(t *testing.T) {
	ctx := context.Background()
	blocks := stream.NewMemory(1 << 20)
	m := &Manager{opt: Options{Blocks: blocks}, table: newTable(), sinks: map[string]*sink{}, dirty: map[*lane]struct{}{}, changed: make(chan struct{})}
	m.cancel = func() {}
	m.opt.Log = nil
	m.writer = stream.NewWriter(blocks, composer{}, 0, blockOverhead, nil)
	for i := range 20 {
		id := ledger.NewProfileID(time.Now())
		m.mu.Lock()
		a := m.table.addAccount(AccountRecord{AccountKey: AccountKey{"mokaru", id}})
		if _, err := m.putAccount(a, AccountRecord{AccountKey: AccountKey{"mokaru", id}, State: Running, BoundSeq: 1}); err != nil {
			t.Fatal(err)
		}
		l := m.table.addLane(a, Record{Key: Key{"mokaru", id, "profile"}, Class: ClassA, BoundSeq: 1})
		for seq := ledger.Seq(1); seq <= 50; seq++ {
			for _, in := range []Input{{Event: Claim, Seq: seq, Attempt: NewID(time.Now()), Hash: Digest(seq)}, {Event: Succeed, Verify: ProviderSaid}} {
				in.At = StampOf(time.Now())
				if _, err := m.step(l, l.rec.Rev, in); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%4 == 0 {
			drop := a.rec.AccountKey
			if _, err := m.enqueue(change{Drop: &drop}); err != nil {
				t.Fatal(err)
			}
			m.table.drop(drop)
		}
		tk, err := m.setCursor(cursorRecord{Lineage: "l", Seq: ledger.Seq(i + 1)})
		m.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.stored(ctx, tk); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.compact(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.writer.Close(ctx); err != nil {
		t.Fatal(err)
	}
	again := &Manager{opt: Options{Blocks: blocks}, table: newTable()}
	if _, err := again.read(ctx); err != nil {
		t.Fatal(err)
	}
	if again.written > 2*15+10 {
		t.Errorf("%d records are left for 15 lanes", again.written)
	}
	if len(again.table.accounts) != 15 || again.table.lanes != 15 || again.table.cursor.Seq != 20 {
		t.Errorf("%d accounts, %d lanes, cursor %d", len(again.table.accounts), again.table.lanes, again.table.cursor.Seq)
	}
	for id, list := range m.table.accounts {
		got := again.table.accounts[id]
		if len(got) != 1 || !reflect.DeepEqual(got[0].rec, list[0].rec) || !reflect.DeepEqual(got[0].lanes[0].rec, list[0].lanes[0].rec) || !reflect.DeepEqual(got[0].lanes[0].rows, list[0].lanes[0].rows) {
			t.Fatalf("%+v, want %+v", got[0].lanes[0], list[0].lanes[0])
		}
	}
}

// TestLaneMemory: a lane at rest takes less than a kilobyte.
func TestLaneMemory(t *testing.T) {
	const n = 20_000
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	table := newTable()
	for i := range n {
		id := ledger.NewProfileID(time.Now())
		raw := fmt.Sprintf(`{"lane":{"sink":"mokaru","profile":"%s","entity":"profile","class":"A","phase":"IDLE","rev":7,"bound_seq":1,"want_seq":9,
			"fields":"address,awards,country,email,firstName,jobTitle,lastName,phone,projects,summary","acked_hash":"xxh64:%016x","acked_seq":9,"verify":"provider_said"},
			"rows":[{"at":"2026-03-01T12:00:00.005Z","event":"claim","from":"IDLE","to":"INFLIGHT"},{"at":"2026-03-01T12:00:00.005Z","event":"succeed","from":"INFLIGHT","to":"IDLE"},
			{"at":"2026-03-01T12:00:00.005Z","event":"no_change","from":"IDLE","to":"IDLE"}]}`, id, i+1)
		var c change
		if err := json.Unmarshal([]byte(raw), &c); err != nil {
			t.Fatal(err)
		}
		if err := table.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / n
	t.Logf("%d bytes a lane", each)
	if each > 1024 { // with its account, its journal, and the map that finds it
		t.Errorf("%d bytes a lane and its account", each)
	}
	runtime.KeepAlive(table)
}

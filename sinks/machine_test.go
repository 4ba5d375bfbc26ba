package sinks_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

const t0 = sinks.Stamp(1_800_000_000_000)

// record is a lane in a phase, with everything set that the phase has.
func record(p sinks.Phase) sinks.Record {
	r := sinks.Record{Key: sinks.Key{Sink: "mokaru", Entity: "profile"}, Class: sinks.ClassA, Phase: p, Rev: 9, Epoch: 3, BoundSeq: 2, WantSeq: 8, WantAt: t0,
		FromSeq: 5, ToSeq: 8, Attempt: sinks.NewID(t0.Time()), Attempts: 2, FirstAt: t0, SentAt: t0, SentHash: 11, SentEcho: 12, AckedHash: 10, AckedSeq: 4}
	switch p {
	case sinks.RetryWait:
		r.NotBefore = t0
	case sinks.Uncertain, sinks.Taken:
		r.SettleUntil = t0
	case sinks.Parked:
		r.Park = &sinks.Park{ID: sinks.NewID(t0.Time()), Code: sinks.ParkRefused, Reason: "because"}
	}
	return r
}

// input is an event with everything that it needs.
func input(e sinks.Event) sinks.Input {
	in := sinks.Input{Event: e, At: t0 + 1000, Seq: 9, WantAt: t0 + 500, Attempt: sinks.NewID(t0.Time()), Owner: sinks.NewID(t0.Time()), Hash: 21, Fields: []string{"a", "b"},
		Mapping: 1, Verify: sinks.ProviderSaid, NotBefore: t0 + 2000, Until: t0 + 3000, Park: &sinks.Park{ID: sinks.NewID(t0.Time()), Code: sinks.ParkRefused},
		Decision: &sinks.Decision{Actor: "admin"}}
	switch e {
	case sinks.Claim:
		in.Echo = 22
	case sinks.Adopt, sinks.Recheck:
		in.Ref = "ref"
	case sinks.Recognise:
		in.Verify, in.Echo = sinks.ReadBack, 12
	}
	return in
}

// want is the machine once more, written out by hand: where each phase goes on each
// event; "" is refused.
func want() map[sinks.Phase]map[sinks.Event]string {
	all := func(to string) map[sinks.Event]string { return map[sinks.Event]string{sinks.Bind: to, sinks.Wish: to} }
	idle, flying, waiting, uncertain, taken, parked := all("IDLE"), all("INFLIGHT"), all("RETRY_WAIT"), all("UNCERTAIN"), all("ACCEPTED"), all("PARKED")
	flying[sinks.Advance], flying[sinks.Accept] = "RETRY_WAIT", "ACCEPTED"
	uncertain[sinks.Again], uncertain[sinks.Missing], uncertain[sinks.GiveUp] = "UNCERTAIN", "RETRY_WAIT", "PARKED"
	taken[sinks.Recognise], taken[sinks.Again], taken[sinks.Elapse] = "IDLE", "ACCEPTED", "IDLE"
	idle[sinks.Adopt], waiting[sinks.Adopt] = "IDLE", "IDLE"
	idle[sinks.Recheck], waiting[sinks.Recheck] = "IDLE", "RETRY_WAIT"
	idle[sinks.Reproject], waiting[sinks.Reproject], parked[sinks.Reproject] = "RETRY_WAIT", "RETRY_WAIT", "RETRY_WAIT"
	parked[sinks.DecideRecreate] = "RETRY_WAIT"
	idle[sinks.Stir], flying[sinks.Stir], uncertain[sinks.Stir], taken[sinks.Stir], parked[sinks.Stir] = "IDLE", "INFLIGHT", "UNCERTAIN", "ACCEPTED", "PARKED"
	idle[sinks.Claim], waiting[sinks.Claim] = "INFLIGHT", "INFLIGHT"
	idle[sinks.NoChange], waiting[sinks.NoChange], parked[sinks.NoChange] = "IDLE", "IDLE", "IDLE"
	idle[sinks.Hold], waiting[sinks.Hold], parked[sinks.Hold] = "PARKED", "PARKED", "PARKED"
	flying[sinks.Succeed], flying[sinks.Postpone], flying[sinks.Refuse] = "IDLE", "RETRY_WAIT", "PARKED"
	flying[sinks.LoseSight], flying[sinks.Find] = "UNCERTAIN", "UNCERTAIN"
	uncertain[sinks.Settle], uncertain[sinks.Recognise] = "RETRY_WAIT", "IDLE"
	waiting[sinks.Exhaust] = "PARKED"
	parked[sinks.Bind], parked[sinks.Stay], parked[sinks.Supersede] = "RETRY_WAIT", "PARKED", "RETRY_WAIT"
	parked[sinks.DecideRetry], parked[sinks.DecideDone], parked[sinks.DecideSkip] = "RETRY_WAIT", "IDLE", "IDLE"
	return map[sinks.Phase]map[sinks.Event]string{sinks.Idle: idle, sinks.InFlight: flying, sinks.RetryWait: waiting, sinks.Uncertain: uncertain, sinks.Taken: taken, sinks.Parked: parked}
}

func TestMachineArrows(t *testing.T) {
	arrows := 0
	for _, p := range sinks.Phases() {
		for _, e := range sinks.Events() {
			before := record(p)
			after, row, err := sinks.Step(before, input(e))
			to := want()[p][e]
			if to == "" {
				if !errors.Is(err, sinks.ErrArrow) || !reflect.DeepEqual(after, before) {
					t.Errorf("%s in %s: %v, and the record is %+v", e, p, err, after)
				}
				continue
			}
			arrows++
			if err != nil || after.Phase.String() != to {
				t.Errorf("%s in %s: %s, %v; want %s", e, p, after.Phase, err, to)
				continue
			}
			if after.Rev != before.Rev+1 || row.From != p || row.To != after.Phase || row.Event != e || row.At != t0+1000 {
				t.Errorf("%s in %s: revision %d, row %+v", e, p, after.Rev, row)
			}
			if (after.Phase == sinks.Parked) != (after.Park != nil) {
				t.Errorf("%s in %s: park is %v in %s", e, p, after.Park, after.Phase)
			}
			if after.AckedSeq < before.AckedSeq || after.Epoch < before.Epoch || after.WantSeq < before.WantSeq || after.ToSeq < before.ToSeq {
				t.Errorf("%s in %s: the lane went back: %+v", e, p, after)
			}
		}
	}
	if arrows != len(sinks.Arrows()) {
		t.Errorf("%d arrows, the table has %d", arrows, len(sinks.Arrows()))
	}
}

func TestMachineEffects(t *testing.T) {
	step := func(p sinks.Phase, e sinks.Event) sinks.Record {
		t.Helper()
		r, _, err := sinks.Step(record(p), input(e))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := step(sinks.Idle, sinks.Claim); r.Epoch != 4 || r.Attempts != 1 || r.FirstAt != t0+1000 || r.FromSeq != 5 || r.ToSeq != 9 || r.SentHash != 21 || r.WantSeq != 9 ||
		strings.Join(r.Fields.List(), " ") != "a b" {
		t.Errorf("claim: %+v", r)
	}
	again := input(sinks.Claim)
	again.Hash = 11
	if r, _, err := sinks.Step(record(sinks.RetryWait), again); err != nil || r.Attempts != 3 || r.FirstAt != t0 {
		t.Errorf("the same body claimed again: %+v, %v", r, err)
	}
	if r := step(sinks.InFlight, sinks.Succeed); r.AckedHash != 11 || r.AckedSeq != 8 || r.Verify != sinks.ProviderSaid || r.Attempts != 0 || r.WantAt != 0 {
		t.Errorf("succeed: %+v", r)
	}
	if r := step(sinks.Uncertain, sinks.Recognise); r.AckedHash != 11 || r.AckedSeq != 8 || r.Verify != sinks.ReadBack || r.EchoHash != 12 {
		t.Errorf("recognise: %+v", r)
	}
	free := input(sinks.Postpone)
	free.Free = true
	if r, _, err := sinks.Step(record(sinks.InFlight), free); err != nil || r.Attempts != 1 || r.NotBefore != t0+2000 {
		t.Errorf("a throttled attempt costs nothing: %+v, %v", r, err)
	}
	if r := step(sinks.InFlight, sinks.Postpone); r.Attempts != 2 {
		t.Errorf("a failed attempt costs one: %+v", r)
	}
	// What goes to another account says nothing about the one that is bound meanwhile.
	bound, _, err := sinks.Step(record(sinks.InFlight), input(sinks.Bind))
	if err != nil {
		t.Fatal(err)
	}
	if r, _, err := sinks.Step(bound, input(sinks.Succeed)); err != nil || r.AckedHash != 0 || r.WantSeq != 9 {
		t.Errorf("success on the old account: %+v, %v", r, err)
	}
	if r := step(sinks.Parked, sinks.DecideSkip); r.AckedSeq != 8 || r.AckedHash != 0 || r.Verify != sinks.VerifyNone {
		t.Errorf("skip: %+v", r)
	}
	if r := step(sinks.Parked, sinks.DecideDone); r.AckedSeq != 8 || r.AckedHash != 11 || r.Verify != sinks.OperatorSaid {
		t.Errorf("mark done: %+v", r)
	}
}

func TestMachineRefusesIllegalInput(t *testing.T) {
	for name, c := range map[string]struct {
		phase sinks.Phase
		in    func(*sinks.Input)
		event sinks.Event
	}{
		"an older connection":         {sinks.Idle, func(in *sinks.Input) { in.Seq = 2 }, sinks.Bind},
		"a wish that is not newer":    {sinks.Idle, func(in *sinks.Input) { in.Seq = 8 }, sinks.Wish},
		"an older state":              {sinks.RetryWait, func(in *sinks.Input) { in.Seq = 7 }, sinks.Claim},
		"a claim without a hash":      {sinks.Idle, func(in *sinks.Input) { in.Hash = 0 }, sinks.Claim},
		"a claim without an id":       {sinks.Idle, func(in *sinks.Input) { in.Attempt = sinks.ID{} }, sinks.Claim},
		"no change of an older state": {sinks.Idle, func(in *sinks.Input) { in.Seq = 3 }, sinks.NoChange},
		"parking without a reason":    {sinks.InFlight, func(in *sinks.Input) { in.Park = nil }, sinks.Refuse},
		"holding without a reason":    {sinks.Idle, func(in *sinks.Input) { in.Park = nil }, sinks.Hold},
		"a decision of nobody":        {sinks.Parked, func(in *sinks.Input) { in.Decision = nil }, sinks.DecideRetry},
	} {
		before, in := record(c.phase), input(c.event)
		c.in(&in)
		if after, _, err := sinks.Step(before, in); !errors.Is(err, sinks.ErrArrow) || !reflect.DeepEqual(after, before) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unknown := record(sinks.Idle)
	unknown.Class = sinks.ClassD
	if _, _, err := sinks.Step(unknown, input(sinks.Claim)); !errors.Is(err, sinks.ErrArrow) {
		t.Errorf("a class without a policy: %v", err)
	}
	if _, ok := sinks.PolicyOf(sinks.ClassX); ok {
		t.Error("what must never be replayed has a policy")
	}
}

// TestMachineWalk takes random events for a long time: no lane ever goes back, a call is
// only claimed where none may be under way, and every claim is closed before the next.
func TestMachineWalk(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	r := sinks.Record{Key: sinks.Key{Sink: "mokaru", Entity: "profile"}, Class: sinks.ClassA}
	var seq ledger.Seq
	open := false
	for range 50_000 {
		in := input(sinks.Events()[rng.IntN(len(sinks.Events()))])
		seq += ledger.Seq(rng.IntN(2))
		in.Seq, in.Hash = seq, sinks.Digest(1+rng.IntN(3))
		in.Free = rng.IntN(2) == 0
		next, row, err := sinks.Step(r, in)
		if err != nil {
			continue
		}
		switch {
		case in.Event == sinks.Claim && open:
			t.Fatalf("claimed while an attempt may be under way: %+v", r)
		case in.Event == sinks.Claim:
			open = true
		case next.Phase == sinks.Idle || next.Phase == sinks.RetryWait || next.Phase == sinks.Parked:
			open = false
		}
		if next.AckedSeq < r.AckedSeq || next.Epoch < r.Epoch || next.WantSeq < r.WantSeq || next.Rev != r.Rev+1 || next.AckedSeq > next.ToSeq {
			t.Fatalf("%s made %+v of %+v", in.Event, next, r)
		}
		if row.End == sinks.Delivered && in.Event != sinks.DecideDone && next.AckedSeq != r.ToSeq {
			t.Fatalf("%s acknowledged %d, sent was %d", in.Event, next.AckedSeq, r.ToSeq)
		}
		r = next
	}
}

func TestBudget(t *testing.T) {
	r := record(sinks.RetryWait)
	r.Attempts = 11
	if now := t0.Time(); r.Spent(now, 0) || !r.Spent(now, 11) || !r.Spent(now.Add(24*time.Hour), 0) {
		t.Error("twelve attempts or a day")
	}
	r.Attempts = 12
	if !r.Spent(t0.Time(), 0) {
		t.Error("twelve attempts")
	}
}

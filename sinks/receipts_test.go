package sinks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
)

// TestReceiptOfEveryArrow pins which transitions tell subscribers, and what.
func TestReceiptOfEveryArrow(t *testing.T) {
	want := map[string]string{
		"INFLIGHT succeed": "delivered", "UNCERTAIN recognise": "delivered", "ACCEPTED recognise": "delivered", "ACCEPTED elapse": "delivered",
		"PARKED decide_mark_done": "delivered", "IDLE adopt": "delivered", "RETRY_WAIT adopt": "delivered",
		"INFLIGHT refuse": "parked", "UNCERTAIN give_up": "parked", "IDLE hold": "parked", "RETRY_WAIT hold": "parked", "PARKED hold": "parked",
		"RETRY_WAIT exhaust":  "parked",
		"INFLIGHT lose_sight": "uncertain", "INFLIGHT find": "uncertain",
		"IDLE reproject": "drifted", "RETRY_WAIT reproject": "drifted", "PARKED reproject": "drifted",
	}
	for _, a := range Arrows() {
		name := a.From.String() + " " + a.On.String()
		rec := &Record{Key: Key{Sink: ledger.Mokaru, Profile: ledger.ProfileID{1}, Entity: "profile"}, Phase: a.To, Verify: ProviderSaid}
		if a.To == Parked {
			rec.Park = &Park{Code: ParkRefused, Reason: "no"}
		}
		kind, data := receiptOf(rec, &Row{Event: a.On, From: a.From, To: a.To, End: a.End, FromSeq: 3, ToSeq: 5, Fault: &Fault{Type: "timeout", Message: "m"}})
		got := strings.TrimSuffix(strings.TrimPrefix(kind, "vitae.delivery."), ".v1")
		if got != want[name] {
			t.Errorf("%s: %q; want %q", name, got, want[name])
		}
		if kind != "" && (data.Provider != ledger.Mokaru || data.FromSeq != 3 || data.ToSeq != 5 || data.Entity != "profile") {
			t.Errorf("%s: %+v", name, data)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("there is no arrow %s", name)
	}
}

// TestReceiptsOfABlock: the same block makes the same receipts, each with an id of its own.
func TestReceiptsOfABlock(t *testing.T) {
	key := Key{Sink: ledger.Mokaru, Profile: ledger.ProfileID{1}, Entity: "profile"}
	record := `{"lane":{"sink":"mokaru","profile":"` + key.Profile.String() + `","entity":"profile","class":"A","phase":"IDLE","rev":3,"bound_seq":1,"want_seq":5,"acked_seq":5,"verify":"provider_said"},` +
		`"row":{"at":"2026-01-02T03:04:05.006Z","event":"succeed","from":"INFLIGHT","to":"IDLE","end":"applied","from_seq":2,"to_seq":5}}`
	payload := composer{}.Compose([][]byte{[]byte(record), []byte(`{"cursor":{"lineage":"l","seq":5,"sinks":[]}}`), []byte(record)})
	first, err := Receipts(9, payload, "urn:x")
	if err != nil || len(first) != 2 {
		t.Fatalf("%d receipts, %v", len(first), err)
	}
	again, err := Receipts(9, payload, "urn:x")
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if first[i].Event.ID != again[i].Event.ID || first[i].Event.ID == first[1-i].Event.ID {
			t.Errorf("ids %s, %s", first[i].Event.ID, again[i].Event.ID)
		}
		text := string(ledger.AppendCloudEvent(nil, &first[i].Event))
		if _, err := ledger.ParseCloudEvent([]byte(text)); err != nil {
			t.Error(err)
		}
		if want := `"data":{"profile":"` + key.Profile.String() + `","provider":"mokaru","entity":"profile","fromSeq":2,"toSeq":5,"verify":"provider_said"}`; !strings.Contains(text, want) {
			t.Errorf("%s\nlacks %s", text, want)
		}
		if !first[i].Event.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)) || first[i].Address != "delivery.mokaru."+key.Profile.String() {
			t.Errorf("%+v", first[i])
		}
	}
	if _, err := Receipts(9, []byte(`{"v":9}`), "urn:x"); !errors.Is(err, ledger.ErrFormat) {
		t.Errorf("no block: %v", err)
	}
}

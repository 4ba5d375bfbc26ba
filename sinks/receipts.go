package sinks

import (
	"encoding/json"

	"vitae/ledger"
)

// Receipts gives the delivery receipts that a block of the lanes' stream makes for
// subscribers, in order; source is the ledger's (see ledger.CloudEventSource). It is a pure
// function: the same block makes the same receipts for ever. Their ids come from the block's
// id and the place in it. The error is ledger.ErrFormat for what is no block.
//
//   - delivered: the provider has the edits, by its answer, by what was read back, or because
//     a person says so. Where nothing had to be sent there is no receipt.
//   - parked: they wait for a person.
//   - uncertain: the outcome of a call is not known; what settles it is another receipt,
//     unless the edits are sent again.
//   - drifted: a plan that was carried out found something else at the provider than the
//     ledger wants there.
func Receipts(pos uint64, payload []byte, source string) ([]ledger.Notice, error) {
	b, err := parseBlock(pos, payload)
	if err != nil {
		return nil, err
	}
	var out []ledger.Notice
	for i := range b.Records {
		c := &b.Records[i]
		if c.Lane == nil || c.Row == nil {
			continue
		}
		kind, data := receiptOf(c.Lane, c.Row)
		if kind == "" {
			continue
		}
		body, err := json.Marshal(data)
		if err != nil {
			return nil, err
		}
		out = append(out, ledger.Notice{Address: ledger.DeliverySubject(c.Lane.Sink, c.Lane.Profile), Event: ledger.CloudEvent{
			ID: ledger.EventID(ledger.CommitID(b.ID), i), Source: source, Type: kind, Subject: c.Lane.Profile.String(),
			Time: c.Row.At.Time(), Data: body}})
	}
	return out, nil
}

// receiptOf is what a transition tells subscribers; "" for most of them. rec is the lane
// after it.
func receiptOf(rec *Record, row *Row) (kind string, data ledger.Receipt) {
	data = ledger.Receipt{Profile: rec.Profile, Provider: rec.Sink, Entity: rec.Entity, FromSeq: row.FromSeq, ToSeq: row.ToSeq}
	if !row.Attempt.IsZero() {
		data.Attempt = row.Attempt.String()
	}
	if row.Decision != nil {
		data.Actor = row.Decision.Actor
	}
	switch {
	case row.End == Delivered, row.Event == Adopt:
		data.Verify = rec.Verify.String()
		return ledger.TypeDeliveryDelivered, data
	case row.To == Parked && (row.From != Parked || row.Event == Hold):
		if rec.Park != nil {
			data.Code, data.Reason = rec.Park.Code, rec.Park.Reason
		}
		return ledger.TypeDeliveryParked, data
	case row.To == Uncertain && row.From != Uncertain:
		if row.Fault != nil {
			data.Code, data.Reason = row.Fault.Type, row.Fault.Message
		}
		return ledger.TypeDeliveryUncertain, data
	case row.Event == Reproject:
		return ledger.TypeDeliveryDrifted, data
	}
	return "", data
}

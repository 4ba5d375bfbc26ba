package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// memoryLimit bounds what JetStream may hold in memory streams and consumers, in bytes.
// The program has no memory streams.
const memoryLimit = 256 << 20

func (e *Engine) openEmbedded(ctx context.Context) error {
	e.replicas = 1
	dir, err := filepath.Abs(e.opt.Dir)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if e.lock, err = lockDir(dir); err != nil {
		return err
	}
	so := &server.Options{
		ServerName: e.opt.Name,
		DontListen: true,
		NoSigs:     true,
		MaxPayload: MaxPayload,
		JetStream:  true,
		StoreDir:   dir,
		// Each write is on the disk before it is acknowledged.
		SyncAlways:             !e.opt.Loading,
		JetStreamMaxMemory:     memoryLimit,
		DisableJetStreamBanner: true,
		// JetStreamMaxStore stays 0: the server then takes what the disk has free and
		// what the recovered streams hold.
	}
	var creds []nats.Option
	if e.opt.Listen != "" {
		if e.gate, err = newGate(e.opt); err != nil {
			return err
		}
		creds = e.gate.configure(so)
	}
	srv, err := server.NewServer(so)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	e.srv = srv
	lg := &serverLog{log: e.opt.Log}
	srv.SetLoggerV2(lg, false, false, false)
	if e.gate != nil {
		e.gate.attach(srv)
	}
	srv.Start()
	if err := awaitReady(ctx, srv, lg); err != nil {
		return err
	}
	if err := e.connect(ctx, "", append(creds, nats.InProcessServer(srv))...); err != nil {
		return err
	}
	if e.gate != nil {
		return e.gate.open(e.conn)
	}
	return nil
}

// awaitReady waits until the server takes connections, it gave up, or ctx ended.
func awaitReady(ctx context.Context, srv *server.Server, lg *serverLog) error {
	deadline := time.Now().Add(startTimeout)
	for ctx.Err() == nil && time.Now().Before(deadline) && srv.Running() {
		if srv.ReadyForConnections(time.Second) {
			return nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("engine: starting the server: %w", ctx.Err())
	case lg.fatal.Load() != nil:
		return fmt.Errorf("engine: the server did not start: %s", *lg.fatal.Load())
	default:
		return errors.New("engine: the server did not start")
	}
}

// stopServer stops the embedded server, waits for it and unlocks the folder.
func (e *Engine) stopServer() error {
	if e.gate != nil {
		e.gate.shut()
		e.gate.busy.Wait() // they end with the connection
	}
	if e.srv != nil {
		e.srv.Shutdown()
		e.srv.WaitForShutdown()
	}
	if e.lock != nil {
		return e.lock.unlock()
	}
	return nil
}

// serverLog passes the server's warnings and errors on. They name streams, subjects,
// files and addresses; the server logs no payload outside of trace, which is off.
type serverLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[string]
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("engine: server: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("engine: server: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.Store(&text)
	l.log.Error("engine: server: " + text)
}

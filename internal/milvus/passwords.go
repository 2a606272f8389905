package milvus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Hash is that of a user's password, as servers keep it. It goes from one server to another and nowhere else: it is not shown.
type Hash struct{ text string }

// String, GoString and LogValue keep it out of all that is printed.
func (Hash) String() string         { return "a hash that is not shown" }
func (h Hash) GoString() string     { return h.String() }
func (h Hash) LogValue() slog.Value { return slog.StringValue(h.String()) }

// PasswordHashes are those of all users, by their names; none where the server does not give them.
func (s *Server) PasswordHashes(ctx context.Context) (map[string]Hash, error) {
	if !s.Capabilities().PasswordHashes {
		return nil, nil
	}
	resp, err := s.svc.BackupRBAC(ctx, &milvuspb.BackupRBACMetaRequest{})
	if errors.Is(err, ErrUnimplemented) { // of an early 2.4
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the hashes of passwords on %s: %w", s.Address, err)
	}
	hashes := map[string]Hash{}
	for _, u := range resp.GetRBACMeta().GetUsers() {
		if u.GetPassword() != "" {
			hashes[u.GetUser()] = Hash{u.GetPassword()}
		}
	}
	return hashes, nil
}

// TakesHashes reports whether the server makes users whose passwords it knows the hashes of: by asking it to make none.
func (s *Server) TakesHashes(ctx context.Context) (bool, error) {
	if !s.Capabilities().PasswordHashes {
		return false, nil
	}
	_, err := s.svc.RestoreRBAC(ctx, &milvuspb.RestoreRBACMetaRequest{RBACMeta: &milvuspb.RBACMeta{}})
	if errors.Is(err, ErrUnimplemented) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking whether %s takes hashes of passwords: %w", s.Address, err)
	}
	return true, nil
}

// CreateUserOf makes a user of a known hash, with no role.
func (s *Server) CreateUserOf(ctx context.Context, name string, hash Hash) error {
	meta := &milvuspb.RBACMeta{Users: []*milvuspb.UserInfo{{User: name, Password: hash.text}}}
	if _, err := s.svc.RestoreRBAC(ctx, &milvuspb.RestoreRBACMetaRequest{RBACMeta: meta}); err != nil {
		return fmt.Errorf("creating user %q on %s: %w", name, s.Address, err)
	}
	return nil
}

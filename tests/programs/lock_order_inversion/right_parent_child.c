// SPDX-License-Identifier: Apache-2.0
// Right: nodes of a tree, all of one class, are locked from the root down. A node is a child at one time and a
// parent at another.
#include "../program.h"

struct Node {
  pthread_mutex_t lock;
  struct Node* children[2];
  int visits;
};

NOT_INLINE static struct Node* node_create(int depth) {
  struct Node* node = (struct Node*)calloc(1, sizeof *node);
  MUST(pthread_mutex_init(&node->lock, NULL));
  for (int i = 0; depth > 0 && i < 2; ++i) node->children[i] = node_create(depth - 1);
  return node;
}

static void visit(struct Node* node, int first) {
  MUST(pthread_mutex_lock(&node->lock));
  ++node->visits;
  for (int i = 0; i < 2; ++i) {
    if (node->children[i ^ first]) visit(node->children[i ^ first], first);
  }
  MUST(pthread_mutex_unlock(&node->lock));
}

static struct Node* root;
static void left_first(void) { visit(root, 0); }
static void right_first(void) { visit(root, 1); }

int main(void) {
  root = node_create(3);
  AT_ONCE(left_first, right_first);
  IN_TURN(right_first, left_first);
  return root->visits == 4 ? 0 : 1;
}

"""Made-up answers of a chat model, and the marks that the published way of reading finds in them."""

import math
import statistics

# One for each record of data/llava_instruct.json, with the ways in which models answer.
ANSWERS = [
    "8", "9/10\nRight and clear.", "Score: 6.5", "3 / 10", "**7**", "I would give it a 4", "10", "Mark:5", "",
    "  2  \n", "7.5.", "no mark", "\n6\n8", "9,5", "5/10 for style, 7/10 for facts", "1e0", "+3", "0", "between 4 and 6",
    "nan", "Quality 8.25\r\nfine",
]


def completions(count):
    """`count` chat completions in the form of the OpenAI interface."""
    for number in range(count):
        answer = ANSWERS[number % len(ANSWERS)]
        message = {"role": "assistant", "content": answer}
        yield {
            "id": f"chatcmpl-{number:06}", "object": "chat.completion", "model": "made-up",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }


def mark(answer):
    """The last word before the first slash of the first line, where that is a finite number."""
    head, _, _ = answer.strip().partition("\n")
    head, _, _ = head.partition("/")
    try:
        number = float(head.rpartition(" ")[2])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def filled(marks):
    """The mean in place of what is missing."""
    mean = statistics.fmean(m for m in marks if m is not None)
    return [mean if m is None else m for m in marks]
